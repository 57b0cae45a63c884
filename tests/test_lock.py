"""The lock file names every package that the project needs, each with a digest."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "requirements"))

from lock import canonical, licence, write  # noqa: E402

TEXT = (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8")
LOCKED = dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}$", TEXT, re.MULTILINE))


def test_every_line_is_a_package_with_its_digest_and_nothing_else() -> None:
    assert len(LOCKED) > 100
    lines = [line for line in TEXT.splitlines() if not line.startswith("#")]
    assert len(lines) == 2 * len(LOCKED)
    assert "://" not in TEXT


def test_it_has_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    for requirement in map(Requirement, wanted):
        name = canonical(requirement.name)
        if name != "torch":
            assert requirement.specifier.contains(LOCKED[name], prereleases=True), (name, LOCKED[name])


def test_every_package_has_a_line_of_licences() -> None:
    listed = (ROOT / "requirements" / "licences.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| ([a-z0-9-]+) \|", listed, re.MULTILINE)[2:] == sorted(LOCKED)


def test_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lock.FOLDER", tmp_path)
    names = {"name": "PyYAML", "version": "6.1"}
    item = {"metadata": names, "download_info": {"archive_info": {"hashes": {"sha256": "ab"}}}}
    places = {"python_version": "3.11", "sys_platform": "linux", "platform_machine": "x86_64"}
    write({"install": [item], "environment": places})
    assert (tmp_path / "lock.txt").read_text().endswith("\npyyaml==6.1 \\\n    --hash=sha256:ab\n")
    assert "| pyyaml | MIT" in (tmp_path / "licences.md").read_text()
    assert licence("typer").startswith("MIT")
