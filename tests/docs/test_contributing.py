"""CONTRIBUTING.md: every example is applied to a copy of the package, and its use is run there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import clfa

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@dataclass
class Example:
    """A section's blocks: new files by path, changes as (path, lines), and the code that uses them."""

    files: dict[str, str] = field(default_factory=dict)
    changes: list[tuple[str, list[str]]] = field(default_factory=list)
    uses: list[str] = field(default_factory=list)


def read_examples() -> dict[str, Example]:
    """Return the examples of all sections below "How to add things", by title."""
    examples = {}
    for section in PAGE.partition("## How to add things")[2].split("\n### ")[1:]:
        title, _, body = section.partition("\n")
        example = examples[title] = Example()
        for language, content in re.findall(r"^```(\w+)\n(.*?)^```", body, re.MULTILINE | re.DOTALL):
            first, _, rest = content.partition("\n")
            if language == "diff":
                example.changes.append((first.removeprefix("+++ "), rest.splitlines()))
            elif first == "# Use":
                example.uses.append(rest)
            else:
                example.files[first.removeprefix("# ")] = rest
    return examples


EXAMPLES = read_examples()

# Runs each block by itself and prints what went wrong, by number.
RUN = """
import json, sys, traceback
failures = {}
for number, code in enumerate(json.load(sys.stdin)):
    try:
        exec(compile(code, f"use {number}", "exec"), {"__name__": "__main__"})
    except BaseException:
        failures[number] = traceback.format_exc()
json.dump(failures, open("failures.json", "w", encoding="utf-8"))
"""


def changed(content: str, lines: list[str]) -> str:
    """Return a file's content with a change applied, whose old lines must be there once."""
    old = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
    new = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
    assert content.count(old) == 1, f"these lines are there {content.count(old)} times:\n{old}"
    return content.replace(old, new)


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Tracebacks of the uses that failed, by their number on the page; all examples are applied to one copy."""
    root, work = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("work")
    package = Path(clfa.__path__[0])
    shutil.copytree(package, root / "src" / "clfa", ignore=shutil.ignore_patterns("__pycache__"))
    for example in EXAMPLES.values():
        for name, content in example.files.items():
            assert not (root / name).exists(), f"{name} exists already"
            (root / name).write_text(content, encoding="utf-8")
        for name, lines in example.changes:
            (root / name).write_text(changed((root / name).read_text(encoding="utf-8"), lines), encoding="utf-8")
    uses = [use for example in EXAMPLES.values() for use in example.uses]
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(uses),
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=work,
        env=os.environ | {"PYTHONPATH": str(root / "src")},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((work / "failures.json").read_text(encoding="utf-8"))
    return {int(number): text for number, text in found.items()}


@pytest.mark.parametrize("title", EXAMPLES)
def test_the_example_works(title: str, failures: dict[int, str]) -> None:
    first = sum(len(EXAMPLES[name].uses) for name in list(EXAMPLES)[: list(EXAMPLES).index(title)])
    numbers = range(first, first + len(EXAMPLES[title].uses))
    assert len(numbers) > 0
    assert "\n".join(failures[number] for number in numbers if number in failures) == ""


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_addition_is_one_file_and_one_line(title: str) -> None:
    example = EXAMPLES[title]
    # One new file with its line in a registry for each use, or one file that changes.
    if example.files:
        lines = [line for _, change in example.changes for line in change]
        entries = {
            sign: [line for line in lines if line.startswith(sign) for _ in re.findall(r'"[^"]+": "clfa\.', line)]
            for sign in "+-"
        }
        assert len(entries["+"]) - len(entries["-"]) == len(example.files)
    else:
        assert len({name for name, _ in example.changes}) == 1


KINDS = (
    "fusion",
    "readout",
    "guide",
    "reader",
    "baseline",
    "metric",
    "prediction sets",
    "explanation",
    "yardstick",
    "class weights",
    "training option",
    "problem type",
    "knowledge text",
    "CSV files",
    "output format",
    "engine",
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_has_what_contributors_add(kind: str) -> None:
    assert len([title for title in EXAMPLES if kind in title]) == 1
