"""The authors' code and ours, measured in turns on the same posts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.memory import MMSD_IMAGES, MMSD_TRAIN
from benchmarks.probe import once
from benchmarks.recorder import Recorder

# Ours over theirs: what is aimed at.
TRAINING, TRAINING_BF16, EVALUATION, MEMORY = 3.2, 5, 8, 10


def compare_times(bench: Recorder) -> None:
    """Measure the training and evaluation loops of both, and keep the ratios."""
    encoders = bench.encoders("paper")
    for data_set in bench.settings.reference_data:
        recipe, overrides = bench.recipe("paper", data_set)
        posts = Path(overrides[0].partition("=")[2]).parent
        options = {"recipe": recipe, "cache": str(bench.cache)}
        same = ["model.use_knowledge=true", "training.eval_batch_size=8", "training.precision=fp32"]
        same.append(f"model.vision_encoder={encoders / 'vit-dropout'}")
        ours: dict[str, dict[str, Any]] = {
            "fp32": {**options, "overrides": [*overrides, "training.precision=fp32"]},
            "bf16": {**options, "overrides": [*overrides, "training.precision=bf16"]},
            "fp32, with the empty knowledge": {**options, "overrides": [*overrides, *same], "empty_knowledge": True},
        }
        wanted = bench.settings.precisions
        ours = {name: task for name, task in ours.items() if name.partition(",")[0] in wanted}
        contenders = {"theirs": ("reference.script:run", _options(bench, posts))}
        contenders |= {name: ("training:train", options) for name, options in ours.items()}
        found = bench.alternate(contenders, ("train", "evaluate"))
        for name in ours:
            for phase, target in (("train", TRAINING_BF16 if name == "bf16" else TRAINING), ("evaluate", EVALUATION)):
                reports = found[name][phase]
                floor = bench.floor("paper", phase, reports[0], "bf16" if name == "bf16" else "fp32")
                bench.results["comparisons"].append(
                    {
                        "name": "training" if phase == "train" else "evaluation",
                        "phase": bench.phase,
                        "variant": name,
                        "data": data_set,
                        "unit": "s",
                        "theirs": [report["seconds"] for report in found["theirs"][phase]],
                        "ours": [report["seconds"] for report in reports],
                        "floor_seconds": floor.seconds,
                        "target": target,
                        "replaced": found["theirs"][phase][0]["replaced"],
                    }
                )


def compare_memory(bench: Recorder, peak: float, count: int) -> None:
    """Measure the authors' peak memory at sizes that fit, and keep what it extrapolates to.

    Args:
        bench: Of the run.
        peak: Ours, in MB.
        count: Samples that ours was measured on.
    """
    train = round(count * MMSD_TRAIN / MMSD_IMAGES)
    points = []
    for size in (500, 1000, 2000):
        options = _options(bench, bench.posts("mmsd", size, (size, 0, 0), distinct=500))
        points.append((size, once("reference.memory:load", options)["peak_memory_mb"]))
    (first, low), (last, high) = points[0], points[-1]
    slope = (high - low) / (last - first)
    bench.results["comparisons"].append(
        {
            "name": "peak memory",
            "phase": bench.phase,
            "unit": "MB",
            "theirs": [low + slope * (train - first)],
            "ours": [peak],
            "target": MEMORY,
            "note": f"theirs extrapolated to {train:,} training samples from "
            + ", ".join(f"{size:,}: {peak:.0f} MB" for size, peak in points)
            + f"; ours measured on all {count:,}",
        }
    )


def _options(bench: Recorder, posts: Path) -> dict[str, str]:
    """Return what tasks of the authors' code take."""
    return {
        "directory": str(bench.settings.reference),
        "posts": str(posts),
        "encoders": str(bench.encoders("paper")),
        "output": str(bench.settings.work / "theirs"),
    }
