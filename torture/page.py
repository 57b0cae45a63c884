"""The counts of the trials, kept in ``torture/counts.json`` and shown in ``docs/reliability.md``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from clfa.files import atomic_write, write_json

ROOT = Path(__file__).resolve().parents[1]
COUNTS = ROOT / "torture" / "counts.json"
PAGE = ROOT / "docs" / "reliability.md"
_BEGIN = "<!-- torture: written by `python -m torture ... --write` -->"
_END = "<!-- torture: end -->"


def revision() -> str:
    """Return the revision of the repository, with a ``+`` if files under ``src`` or ``torture`` differ from it."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", "src", "torture/*.py"], cwd=ROOT, capture_output=True, text=True
    )
    return (found.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")


def keep(counts: dict[str, Any], path: Path = COUNTS) -> dict[str, dict[str, Any]]:
    """Keep the counts of a kind of trials instead of its earlier ones, and return those of all kinds."""
    held: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    held[counts["kind"]] = counts
    write_json(path, held)
    return held


def write(held: dict[str, dict[str, Any]], kinds: list[str], page: Path = PAGE) -> None:
    """Write the counts into the page, between its two marks.

    Args:
        held: Counts by kind.
        kinds: Order of the kinds.
        page: The page.
    """
    text = page.read_text(encoding="utf-8")
    before, mark, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not mark or not end:
        raise ValueError(f"{page} lacks the marks {_BEGIN} and {_END}.")
    with atomic_write(page) as file:
        file.write(f"{before}{_BEGIN}\n\n{table(held, kinds)}\n\n{_END}{after}")


def table(held: dict[str, dict[str, Any]], kinds: list[str]) -> str:
    """Return the counts as a Markdown table."""
    lines = [
        "| kind | trials | what came of them | faults | slowest, s | memory, MB | command (revision) |",
        "| --- | ---: | --- | ---: | ---: | ---: | --- |",
    ]
    for kind in kinds:
        if kind not in held:
            continue
        found = held[kind]
        outcomes = ", ".join(f"{name} {count:,}" for name, count in _summed(found["outcomes"]).items())
        lines.append(
            f"| {kind} | {found['trials']:,} | {outcomes} | {found['faults']:,} | {found['slowest']:.1f} | "
            f"{found['peak_mb']:,.0f} | `{found['command']}` ({found['revision']}) |"
        )
    return "\n".join(lines)


def _summed(outcomes: dict[str, int]) -> dict[str, int]:
    """Return counts without details after a colon."""
    summed: dict[str, int] = {}
    for name, count in outcomes.items():
        summed[name.partition(":")[0]] = summed.get(name.partition(":")[0], 0) + count
    return summed
