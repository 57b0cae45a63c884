"""Two processes with one output at once: one does the work, or both do; the result is the undisturbed one."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from torture import battery, child, kills
from torture.digest import leftovers
from torture.tally import Tally

_COMMANDS = ("cache", "predict", "guide", "train")


def run(trials: int, seed: int, work: Path, deadline: float, first: int = 0) -> Tally:
    """Try two processes at once.

    Args:
        trials: Number of trials.
        seed: Seed.
        work: Folder for the trials.
        deadline: ``time.monotonic`` after which no further trial begins.
        first: Number of the first trial.
    """
    tally, begun = Tally("pairs", seed), time.monotonic()
    works = kills.commands(kills.prepare(work))
    folder = work / "trial"
    for number in range(first, first + trials):
        if time.monotonic() > deadline:
            break
        random = battery.random(seed, "pairs", number)
        name = _COMMANDS[number % len(_COMMANDS)]
        result, whole = kills.undisturbed(works[name], work / f"{name}-undisturbed")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

        def one(wait: float, do: object = works[name].do) -> child.Ended:
            time.sleep(wait)
            return child.run(do, folder=str(folder), limit=kills.LIMIT)  # type: ignore[arg-type]

        with ThreadPoolExecutor(2) as pool:
            ended = list(pool.map(one, (0.0, random.uniform(0, whole.seconds))))
        how = sorted(each.how for each in ended)
        found = works[name].result(folder)
        if how not in (["done", "done"], ["done", "refused"]):
            tally.fault(number, f"{name}: {[(each.how, each.message) for each in ended]}", f"{name}: {how}")
        elif found != result:
            tally.fault(number, f"{name}: {kills.difference(found, result)}", "another result")
        elif left := leftovers(folder):
            tally.fault(number, f"{name} left {left}", "leftovers")
        else:
            tally.note(f"{name}: {' and '.join(how)}", max(each.seconds for each in ended), ended[0].peak_mb)
    tally.seconds = time.monotonic() - begun
    return tally
