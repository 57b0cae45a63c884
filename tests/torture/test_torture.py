"""A short run of the trials to destruction; ``make torture`` is the long one."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from torture.tally import Tally

from clfa.errors import DataError
from torture import battery, child, images, kills, models, page, processors, recipes, tables

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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_now_and_at_most_have_one_unit() -> None:
    held = b"x" * 50_000_000
    # In a large process a unit of 1,024 taken for 1,000 would hide tens of megabytes.
    assert battery.peak() > 0.995 * battery.resident() > 50
    assert len(held) == 50_000_000


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


def test_a_process_ends_in_every_way(tmp_path: Path) -> None:
    def write() -> str:
        for number in range(3):
            (tmp_path / f"{number}.txt").write_text("x" * 200)
        return "all"

    def ended(**trouble: Any) -> tuple[str, Any]:
        found = child.run(write, child.Trouble(**trouble), folder=str(tmp_path), limit=60)
        return found.how, found.value

    assert ended() == ("done", "all")
    assert ended(kill_at=2) == ("killed", None)
    assert ended(full_at=2) == ("refused", None)
    assert ended(largest_file=100) == ("refused", None)
    assert child.run(lambda: 1 // 0, folder=str(tmp_path)).how == "error"
    assert child.run(lambda: os.kill(os.getpid(), signal.SIGKILL), folder=str(tmp_path)).how == "crashed"
    assert child.run(lambda: time.sleep(60), folder=str(tmp_path), limit=0.2).how == "hung"
    killed = child.run(lambda: time.sleep(60), child.Trouble(kill_after=0.2), folder=str(tmp_path))
    assert killed.how == "killed"


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_a_cache_survives_kills(tmp_path: Path) -> None:
    tally = Tally("kills", 5)
    work = kills.commands(tmp_path)["cache"]
    expected = kills.undisturbed(work, tmp_path / "whole")
    for number in range(8):
        random = battery.random(5, "kills", number)
        kills.trial(tally, number, random, "cache", work, expected, tmp_path / "trial")
    assert tally.listed == []
    assert tally.outcomes["cache killed"] > 4


def test_another_result_is_a_fault(tmp_path: Path) -> None:
    tally = Tally("kills", 0)
    work = kills.Work(lambda: Path("a.txt").write_text("a"))
    expected = {"a.txt": "another"}, kills.undisturbed(work, tmp_path / "whole")[1]
    kills.trial(tally, 3, Random(0), "write", work, expected, tmp_path / "trial")
    assert tally.listed == ["3: write: differs in ['a.txt']"]
