"""A short run of the trials to destruction; ``make torture`` is the long one."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from random import Random

import pytest
from torture.tally import Tally

from clfa.errors import DataError
from torture import battery, images, models, page, processors, recipes, tables

pytestmark = pytest.mark.slow
LIMITS = {"seconds": 2.0, "megabytes": 300.0}


@pytest.mark.parametrize(
    ("kind", "trials"), [(images, 600), (tables, 500), (recipes, 150), (processors, 300), (models, 12)]
)
def test_no_input_breaks_anything(kind: object, trials: int, tmp_path: Path) -> None:
    tally = kind.run(trials, 1, tmp_path, time.monotonic() + 300)  # type: ignore[attr-defined]
    assert tally.listed == []
    assert (tally.trials, tally.faults) == (trials, 0)
    # Some are refused and some are not: the inputs are neither hopeless nor harmless.
    assert 0 < tally.outcomes["refused"] < trials


def attempt(random: Random, number: int) -> str:
    if number == 1:
        raise DataError("no")
    if number == 2:
        raise KeyError("odd")
    if number == 3:
        while True:
            pass
    if number == 4:
        bytearray(400_000_000)[::4096] = b"x" * 97_657
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return "fine"


def test_faults_are_found_and_counted_once() -> None:
    tally = battery.run(Tally("x", 0), attempt, range(8), deadline=time.monotonic() + 60, **LIMITS)
    assert tally.trials == 8
    expected = {"fine": 3, "refused": 1, "error": 1, "hung": 1, "too much memory": 1, "crashed": 1}
    assert tally.outcomes == expected
    assert tally.faults == 4
    assert [line.partition(":")[0] for line in tally.listed] == ["2", "3", "4", "5"]


def test_trials_can_be_repeated() -> None:
    assert battery.random(1, "tables", 7).random() == battery.random(1, "tables", 7).random()
    assert tables.make_table(battery.random(1, "tables", 7)) == tables.make_table(battery.random(1, "tables", 7))


def test_counts_on_the_page(tmp_path: Path) -> None:
    tally = Tally("images", 3)
    for outcome in ("decoded: PNG", "decoded: GIF", "refused"):
        tally.note(outcome, 0.5, 20)
    held = page.keep({**tally.to_dict(), "command": "c", "revision": "r"}, tmp_path / "counts.json")
    file = tmp_path / "page.md"
    file.write_text(f"before\n{page._BEGIN}\nold\n{page._END}\nafter\n")
    page.write(held, ["kills", "images"], file)
    lines = file.read_text().splitlines()
    assert lines[5] == "| images | 3 | decoded 2, refused 1 | 0 | 0.5 | 20 | `c` (r) |"
    assert (lines[0], lines[-1], "old" in lines) == ("before", "after", False)
    with pytest.raises(ValueError, match="lacks the marks"):
        page.write(held, [], tmp_path / "counts.json")
