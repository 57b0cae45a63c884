"""Kills at random moments, then the same command again: the result is the undisturbed one, and nothing is left over."""

from __future__ import annotations

import gc
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from torture import battery, child, material
from torture.child import Trouble
from torture.digest import digests, leftovers
from torture.tally import Tally

# Of ten trials, how many kill which work. An export, and an experiment, whose workers import everything, take as long as
# many of the others.
SHARES = {"cache": 3, "predict": 3, "guide": 2, "train": 2}
RARE = {"export": 60, "experiment": 60}
LIMIT = 300.0


@dataclass(frozen=True)
class Work:
    """A command that may be killed.

    Args:
        do: Does it in the current folder, and goes on where it was killed.
        result: What counts in the folder; the files by default.
    """

    do: Callable[[], Any]
    result: Callable[[Path], Any] = digests


def run(trials: int, seed: int, work: Path, deadline: float, first: int = 0) -> Tally:
    """Try kills.

    Args:
        trials: Number of trials; each kills one command once or twice.
        seed: Seed.
        work: Folder for the trials.
        deadline: ``time.monotonic`` after which no further trial begins.
        first: Number of the first trial.
    """
    tally, begun = Tally("kills", seed), time.monotonic()
    works = commands(prepare(work))
    expected: dict[str, tuple[Any, child.Ended]] = {}
    for number in range(first, first + trials):
        if time.monotonic() > deadline:
            break
        random = battery.random(seed, "kills", number)
        name = choose(number)
        if name not in expected:
            expected[name] = undisturbed(works[name], work / f"{name}-undisturbed")
        trial(tally, number, random, name, works[name], expected[name], work / "trial")
    tally.seconds = time.monotonic() - begun
    return tally


def choose(number: int) -> str:
    """Return the command of a trial."""
    for name, every in RARE.items():
        if number % every == every - 1 - list(RARE).index(name):
            return name
    names = [name for name, share in SHARES.items() for _ in range(share)]
    return names[number % len(names)]


def undisturbed(work: Work, folder: Path) -> tuple[Any, child.Ended]:
    """Return the result of a command that nobody kills, the same twice, and how it ended."""
    for _ in range(2):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        ended = child.run(work.do, folder=str(folder), limit=2 * LIMIT)
        if ended.how != "done":
            raise RuntimeError(f"{folder.name}: {ended.how}: {ended.message}")
        result = work.result(folder)
    return result, ended


def trial(
    tally: Tally,
    number: int,
    random: Random,
    name: str,
    work: Work,
    expected: tuple[Any, child.Ended],
    folder: Path,
) -> None:
    """Kill a command once or twice, at a step on the disk or at a time, and let it finish."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    result, whole = expected
    kills = 0
    for _ in range(random.choice((1, 1, 2))):
        if random.random() < 0.6:
            trouble = Trouble(kill_at=random.randint(1, max(1, whole.steps)))
        else:
            trouble = Trouble(kill_after=random.uniform(0.02, 1.1 * whole.seconds))
        ended = child.run(work.do, trouble, folder=str(folder), limit=LIMIT)
        kills += ended.how == "killed"
        if ended.how not in ("killed", "done"):
            return tally.fault(number, f"{name}, {trouble}: {ended.how}: {ended.message}", f"{name}: {ended.how}")
    ended = child.run(work.do, folder=str(folder), limit=LIMIT)
    if ended.how != "done":
        return tally.fault(number, f"{name}, again: {ended.how}: {ended.message}", f"{name}: {ended.how}")
    found = work.result(folder)
    if found != result:
        return tally.fault(number, f"{name}: {difference(found, result)}", f"{name}: another result")
    if left := leftovers(folder):
        return tally.fault(number, f"{name} left {left}", f"{name}: leftovers")
    return tally.note(f"{name} killed" if kills else f"{name} ended before the kill", ended.seconds, ended.peak_mb)


def difference(found: Any, expected: Any) -> str:
    """Return where two results differ."""
    if not isinstance(found, dict) or not isinstance(expected, dict):
        return f"{found!r} instead of {expected!r}"[:300]
    return f"differs in {sorted(k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k))[:6]}"


def prepare(work: Path) -> Path:
    """Make posts, encoders and a trained model, import everything, and return their folder."""
    place = work / "material"
    material.warm()
    if not (place / "run").is_dir():
        place.mkdir(parents=True, exist_ok=True)

        def make() -> None:
            material.make_posts(place)
            material.make_encoders(place)
            _train(place, "run", place / "cache")

        ended = child.run(make, folder=str(place), limit=2 * LIMIT)
        if ended.how != "done":
            raise RuntimeError(f"material: {ended.how}: {ended.message}")
    # Pages that are never collected are never copied by the processes.
    gc.collect()
    gc.freeze()
    return place


def commands(place: Path) -> dict[str, Work]:
    """Return the commands by name.

    Args:
        place: Folder with posts, encoders and a trained model.
    """
    return {
        "train": Work(lambda: _train(place, "run", Path("cache"))),
        "predict": Work(lambda: _predict(place)),
        "guide": Work(lambda: _guide(place)),
        "cache": Work(_cache, _cached),
        "export": Work(lambda: _export(place)),
        "experiment": Work(lambda: _experiment(place)),
    }


def _train(place: Path, output: str, cache: Path) -> None:
    from clfa.recipe import load_recipe
    from clfa.runs.train import train

    train(load_recipe("offline", material.overrides(place)), output, resume=True, cache=cache)


def _predict(place: Path) -> None:
    from clfa.prediction.predict import predict_file

    for kind in ("jsonl", "parquet"):
        predict_file(place / "run", place / "posts.csv", f"out.{kind}", failures="failures.jsonl", commit_rows=8)


def _guide(place: Path) -> None:
    from clfa.recipe import load_recipe
    from clfa.runs.fit_guide import fit_guide

    # A whole guide is not fitted again.
    if not Path("guide").exists():
        recipe = load_recipe("offline", [*material.overrides(place), material.GUIDE])
        fit_guide(recipe, [place / "posts.csv"], "guide", cache=Path("cache"))


def _export(place: Path) -> None:
    from clfa.prediction.onnx_export import export_onnx

    export_onnx(place / "run", Path("onnx"))


def _experiment(place: Path) -> None:
    from clfa.experiments import Experiment
    from clfa.experiments.run import run_experiment

    experiment = Experiment.model_validate(
        {
            "name": "torture",
            "recipe": "offline",
            "data": {"dir": str(place / "posts.csv")},
            "overrides": [*material.overrides(place)[1:], "training.epochs=1"],
            "seeds": [1, 2],
            "rows": [{"name": "a"}],
        }
    )
    summary = run_experiment(experiment, "experiment")
    if summary.failed:
        raise RuntimeError(summary.failed[0][1])


def _cache() -> None:
    from clfa.store import FeatureStore

    store = FeatureStore("store", width=16)
    for part in range(8):
        keys = [part * 8 + n for n in range(8)]
        store.refresh()
        absent = store.missing([number.to_bytes(16, "big") for number in keys])
        store.add((keys[place].to_bytes(16, "big"), _rows(keys[place])) for place in absent)


def _rows(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=(1 + number % 5, 16))


def _cached(folder: Path) -> Any:
    """Return the digest of the arrays; their places in the file depend on the kills."""
    from clfa.store import FeatureStore

    def read() -> str:
        store = FeatureStore("store", width=16)
        arrays = {n: store[n.to_bytes(16, "big")].tolist() for n in range(64)}
        return json.dumps(arrays)

    ended = child.run(read, folder=str(folder))
    return ended.value if ended.how == "done" else f"{ended.how}: {ended.message}"
