"""Write ``lock.txt``, the packages of this environment with the digests of their files, and ``licences.md``.

For the Python release and the system that this runs on; PyTorch is left out, whose builds differ by processor and GPU.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
# Installed by itself, before the others; and what this folder's project is.
LEFT_OUT = {"torch", "clfa", "pip", "setuptools", "wheel"}
HEADER = """\
# Written by `make lock` for CPython {python} on {system}; PyTorch ({torch}) is installed before, as the Makefile says.
# Used by `make install LOCKED=1`: pip installs these files and no others.
"""


def main() -> None:
    """Ask pip which files it would install, and write both files."""
    pins = [
        f"{canonical(package.metadata['Name'])}=={package.version}"
        for package in metadata.distributions()
        if canonical(package.metadata["Name"]) not in LEFT_OUT
    ]
    with tempfile.TemporaryDirectory() as folder:
        wanted, report = Path(folder) / "pins.txt", Path(folder) / "report.json"
        wanted.write_text("\n".join(sorted(set(pins))), encoding="utf-8")
        options = ["--quiet", "--dry-run", "--ignore-installed", "--no-deps", "--report", str(report)]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, "-r", str(wanted)], check=True)
        found = json.loads(report.read_text(encoding="utf-8"))
    write(found)


def write(report: dict[str, Any]) -> None:
    """Write both files from pip's report of an installation."""
    environment = report["environment"]
    lines = [
        f"{canonical(item['metadata']['name'])}=={item['metadata']['version']} \\\n"
        f"    --hash=sha256:{item['download_info']['archive_info']['hashes']['sha256']}\n"
        for item in report["install"]
    ]
    header = HEADER.format(
        python=environment["python_version"],
        system=f"{environment['sys_platform']} {environment['platform_machine']}",
        torch=metadata.version("torch").partition("+")[0],
    )
    (FOLDER / "lock.txt").write_text(header + "".join(sorted(lines)), encoding="utf-8")
    rows = sorted(
        (canonical(item["metadata"]["name"]), licence(item["metadata"]["name"])) for item in report["install"]
    )
    table = "".join(f"| {name} | {terms} |\n" for name, terms in rows)
    text = "# Licences of the packages in lock.txt\n\nAs their own metadata states them; written by `make lock`.\n\n"
    (FOLDER / "licences.md").write_text(f"{text}| package | licence |\n| --- | --- |\n{table}", encoding="utf-8")


def canonical(name: str) -> str:
    """Return the one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(name: str) -> str:
    """Return the licence that an installed package states: expression, classifiers, or the first line of its text."""
    facts = metadata.metadata(name)
    classified = [c.rpartition(" :: ")[2] for c in facts.get_all("Classifier", []) if c.startswith("License :: ")]
    stated = facts.get("License-Expression") or ", ".join(classified) or (facts.get("License") or "").strip()
    first = stated.splitlines()[0][:80] if stated else "not stated"
    return re.sub(r"([|<*_`\[\]])", r"\\\1", first)


if __name__ == "__main__":
    main()
