"""Damaged model folders: each is refused, or loads and gives finite predictions."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from random import Random
from typing import Any

from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.recipe import load_recipe
from clfa.runs.train import train
from torture import battery, child, material
from torture.damage import damaged
from torture.tally import Tally

SECONDS = 10.0
MEGABYTES = 1000.0
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**70, 0.5, -1e300, "", "a", "../..", [], [None], {}, {"a": 1}, "\ud83d", "os.system", [[[]]],
)  # fmt: skip


def run(trials: int, seed: int, work: Path, deadline: float, first: int = 0) -> Tally:
    """Try damaged model folders.

    Args:
        trials: Number of folders.
        seed: Seed.
        work: Folder for the models.
        deadline: ``time.monotonic`` after which no further folder is tried.
        first: Number of the first folder.
    """
    whole = work / "whole"
    if not whole.is_dir():
        ended = child.run(lambda: _make(work), folder=str(work), limit=600)
        assert ended.how == "done", ended
    files = sorted(path.name for path in whole.iterdir() if path.is_file())

    def attempt(random: Random, number: int) -> str:
        folder = work / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        path = folder / random.choice(files)
        way = random.random()
        if way < 0.1:
            path.unlink()
        elif way < 0.5 and path.suffix == ".json":
            content = json.loads(path.read_text(encoding="utf-8"))
            _change(content, random)
            path.write_text(json.dumps(content), encoding="utf-8")
        else:
            path.write_bytes(damaged(path.read_bytes(), random))
        (found,) = PostClassifier.load(folder)([Post("what a great day", str(work / "images" / "0.png"))])
        if found.error is not None:
            return "loaded, no prediction but a reason"
        for probability in (found.probabilities or {}).values():
            if not math.isfinite(probability) or not -1e-6 <= probability <= 1 + 1e-6:
                raise AssertionError(f"probabilities {found.probabilities}")
        return "loaded"

    limits = {"seconds": SECONDS, "megabytes": MEGABYTES, "deadline": deadline}
    return battery.run(Tally("models", seed), attempt, range(first, first + trials), **limits)


def _make(work: Path) -> None:
    material.make_posts(work)
    material.make_encoders(work)
    train(load_recipe("offline", material.overrides(work)), work / "run", cache=work / "cache")
    shutil.copytree(work / "run" / "model", work / "whole")


def _change(content: Any, random: Random) -> None:
    """Change, remove or add a value at any depth."""
    while True:
        keys = list(content) if isinstance(content, dict) else list(range(len(content)))
        if not keys:
            return
        key = random.choice(keys)
        if isinstance(content[key], dict | list) and content[key] and random.random() < 0.7:
            content = content[key]
            continue
        if random.random() < 0.2:
            del content[key]
        else:
            content[key] = random.choice(_VALUES)
        return
