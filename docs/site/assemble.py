"""Collect the pages of the site in one folder: docs, the pages at the root, and the generated reference.

The pages stay as they are on a code host; links that leave ``docs`` are set to where the site has their targets.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import reference
from navigation import LINK, sections, toctrees

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Pages outside docs, by their place in the site.
OTHER_PAGES = {
    "README.md": "project/readme.md",
    "README.zh-CN.md": "zh/readme.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
    "examples/README.md": "project/examples.md",
}


def assemble(target: Path) -> None:
    """Write the sources of the site to a new folder.

    Raises:
        FileNotFoundError: When a link of a page leads nowhere; the message names page and link.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    pages = {page: target / page.relative_to(DOCS) for page in sorted(DOCS.rglob("*.md"))}
    pages |= {ROOT / name: target / place for name, place in OTHER_PAGES.items()}
    for page, place in pages.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        text = set_links(page, place, pages, target)
        if place == target / "index.md":
            text += f"\n## Reference\n\n- [Names in Python](api/index.rst)\n\n{toctrees(sections(text))}"
            text += "\n```{toctree}\n:hidden:\n:caption: Reference\n\napi/index\n```\n"
        place.write_text(text, encoding="utf-8")
    reference.write(target / "api")


def set_links(page: Path, place: Path, pages: dict[Path, Path], target: Path) -> str:
    """Return the text of a page with the links that hold in the site; files that are no pages are copied."""

    def replace(match: re.Match[str]) -> str:
        mark, text, link = match.groups()
        name, hash_sign, anchor = link.partition("#")
        if "://" in link or not name:
            return match[0]
        linked = Path(os.path.normpath(page.parent / name))
        if not linked.exists():
            raise FileNotFoundError(f"{page.relative_to(ROOT)}: the link {link!r} leads nowhere.")
        if linked.is_dir():
            linked = linked / "README.md"
        if linked in pages:
            there = pages[linked]
        elif linked.is_file():
            # A Markdown file that is no page is a text to look at.
            suffix = ".txt" if linked.suffix == ".md" else ""
            there = target / "files" / f"{linked.relative_to(ROOT)}{suffix}"
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(linked, there)
        else:
            # A folder of sources: the site has no page for it.
            return text
        return f"{mark}[{text}]({os.path.relpath(there, place.parent)}{hash_sign}{anchor})"

    parts = re.split(r"(^```.*?^```$)", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else LINK.sub(replace, part) for part in parts)
