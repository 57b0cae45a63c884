"""A Python process in which packages are not installed, although they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_SITE = """\
import os
from importlib.machinery import PathFinder

hidden = set(os.environ["HIDDEN_PACKAGES"].split())
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, *rest: None if name.partition(".")[0] in hidden else find(name, *rest)
)
"""


def run_without(
    hidden: Iterable[str], code: str, *arguments: str, site: Path, package: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process that finds none of the modules ``hidden``.

    Args:
        hidden: Names of top-level modules.
        code: The program.
        arguments: Its arguments.
        site: An empty folder, for the module that hides them.
        package: Folder in which clfa is found first, instead of the source tree.
    """
    (site / "sitecustomize.py").write_text(_SITE, encoding="utf-8")
    source = package or Path(__file__).resolve().parents[1] / "src"
    environment = os.environ | {
        "HIDDEN_PACKAGES": " ".join(hidden),
        "PYTHONPATH": os.pathsep.join([str(site), str(source)]),
        "COLUMNS": "200",
        "PYTHONIOENCODING": "utf-8",
    }
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", env=environment
    )
