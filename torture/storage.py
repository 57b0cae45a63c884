"""No space and no rights: a command ends with an error for users, and gives the undisturbed result once it is mended."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from random import Random
from typing import Any

from torture import battery, child, kills
from torture.child import Trouble
from torture.tally import Tally

_COMMANDS = ("cache", "predict", "guide", "train")


def run(trials: int, seed: int, work: Path, deadline: float, first: int = 0) -> Tally:
    """Try full disks and folders that cannot be written.

    Args:
        trials: Number of trials.
        seed: Seed.
        work: Folder for the trials.
        deadline: ``time.monotonic`` after which no further trial begins.
        first: Number of the first trial.
    """
    tally, begun = Tally("storage", seed), time.monotonic()
    works = kills.commands(kills.prepare(work))
    expected: dict[str, Any] = {}
    for number in range(first, first + trials):
        if time.monotonic() > deadline:
            break
        name = _COMMANDS[number % len(_COMMANDS)]
        if name not in expected:
            expected[name] = kills.undisturbed(works[name], work / f"{name}-undisturbed")
        _trial(tally, number, battery.random(seed, "storage", number), name, works[name], expected[name], work)
    tally.seconds = time.monotonic() - begun
    return tally


def _trial(tally: Tally, number: int, random: Random, name: str, work: kills.Work, expected: Any, place: Path) -> None:
    folder = place / "trial"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    result, whole = expected
    kind = random.choice(("no space", "no space", "file too large", "file too large", "no rights"))
    if kind == "no space":
        trouble = Trouble(full_at=random.randint(1, max(1, whole.steps)))
    elif kind == "file too large":
        trouble = Trouble(largest_file=random.choice((0, 100, 1_000, 4_000, 10_000, 40_000)))
    else:
        # Root may write everywhere.
        trouble = Trouble(nobody=os.geteuid() == 0)
        folder.chmod(0o555)
    ended = child.run(work.do, trouble, folder=str(folder), limit=kills.LIMIT)
    folder.chmod(0o755)
    if ended.how not in ("refused", "done"):
        return tally.fault(number, f"{name}, {kind}, {trouble}: {ended.how}: {ended.message}", f"{kind}: {ended.how}")
    again = child.run(work.do, folder=str(folder), limit=kills.LIMIT)
    if again.how != "done":
        return tally.fault(number, f"{name}, {kind}, again: {again.how}: {again.message}", f"{kind}: {again.how}")
    found = work.result(folder)
    if found != result:
        return tally.fault(number, f"{name}, {kind}: {kills.difference(found, result)}", f"{kind}: another result")
    return tally.note(f"{kind}: {'refused' if ended.how == 'refused' else 'enough'}", again.seconds, again.peak_mb)
