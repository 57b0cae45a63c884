"""Build the site: ``python docs/site/build_site.py TARGET``. Warnings are errors."""

from __future__ import annotations

import sys
from pathlib import Path

from assemble import assemble
from sphinx.cmd.build import build_main


def run_sphinx(sources: Path, target: Path, *pages: Path, builder: str = "html") -> int:
    """Build pages, by default all, from assembled sources; return 0, or 1 after a warning."""
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-b", builder, "-c", str(Path(__file__).parent)]
    doctrees = target.with_name(f"{sources.name}-doctrees")
    return build_main([*options, "-d", str(doctrees), str(sources), str(target), *map(str, pages)])


def build(target: Path) -> int:
    """Build the whole site in a folder, its sources in a folder beside it; return 0, or 1 after a warning."""
    sources = target.with_name(f"{target.name}-source")
    assemble(sources)
    return run_sphinx(sources, target)


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]).resolve()))
