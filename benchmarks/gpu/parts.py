"""The parts of ``make bench-gpu``; each is run by itself: ``python -m benchmarks.gpu.parts NAME OPTIONS RESULT``."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks import lengths, machine
from benchmarks.architectures import SHAPES, recipe_of, write_encoders
from benchmarks.floors import TRAINING_PASSES, forward_operations
from benchmarks.material import write_posts
from benchmarks.probe import Probe
from clfa.files import write_json

# Products that fill a GPU; those of a processor are in benchmarks.machine.
_LARGE = ((4096, 4096, 4096), (8192, 8192, 8192))


def ceiling(size: str) -> dict[str, Any]:
    """Return the machine, the rate of its fastest matrix product in each precision, and its memory bandwidth."""
    device = _device()
    shapes = ((64, 64, 64),) if size == "small" else machine.SHAPES + (_LARGE if device == "cuda" else ())
    rates = {name: max(machine.rate(name, device, shapes).values()) for name in machine.fast_precisions()}
    bandwidth = machine.bandwidth(device, 4 if size == "small" else 256)
    return {"machine": machine.describe(), "device": device, "rates": rates, "bandwidth": bandwidth}


def training(work: str, size: str, samples: int, batch_size: int, precision: str, rounds: int) -> dict[str, Any]:
    """Return the seconds of epochs, the operations of one, its samples, and the largest memory; ours."""
    recipe, overrides, _ = _material(work, size, samples)
    overrides += [f"training.batch_size={batch_size}", f"training.precision={precision}"]
    options = {"recipe": recipe, "overrides": overrides, "cache": str(Path(work) / "cache"), "evaluate": False}
    reports = _rounds("training:train", options, rounds)
    tokens = reports[0]["tokens"]["train"]
    operations = TRAINING_PASSES * forward_operations(SHAPES[size], tokens)
    return _result(reports, len(tokens)) | {"operations": operations}


def prediction(work: str, size: str, samples: int, batch_size: int, precision: str, rounds: int) -> dict[str, Any]:
    """Return the seconds of predicting on posts, from encoded picture to probabilities, their operations and memory."""
    recipe, overrides, posts = _material(work, size, samples)
    options = {"recipe": recipe, "overrides": overrides, "cache": str(Path(work) / "cache"), "posts": str(posts)}
    reports = _rounds("prediction:predict", options | {"batch_size": batch_size, "precision": precision}, rounds)
    operations = forward_operations(SHAPES[size], lengths.draw("mmsd", samples))
    return _result(reports, reports[0]["samples"]) | {"operations": operations}


def reference(work: str, size: str, samples: int, directory: str, rounds: int) -> dict[str, Any]:
    """Return the seconds of the authors' epochs on the posts of :func:`training`, and their memory."""
    _, _, posts = _material(work, size, samples)
    encoders = Path(work) / "encoders" / size
    options = {"directory": directory, "posts": str(posts), "encoders": str(encoders)}
    output = str(Path(work) / "theirs")
    # A round of training is followed by one of their evaluation.
    reports = _rounds("reference.script:run", {**options, "output": output}, rounds, phases=2)
    return _result(reports, (samples - 8) - (samples - 8) // 2)


def processes(work: str, size: str, samples: int) -> dict[str, Any]:
    """Train with ``torchrun``, a process to each GPU or two on the processor, and return their number and seconds."""
    recipe, overrides, _ = _material(work, size, samples)
    count = torch.cuda.device_count() or 2
    overrides = [o for o in overrides if not o.startswith("guide=")]
    overrides += ["guide.name=none", "training.epochs=1", f"training.batch_size={8 * count}"]
    start = time.perf_counter()
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    output = Path(work) / f"processes-{time.time_ns()}"
    command = [*torchrun, "-m", "clfa.cli.main", "train", recipe, *overrides, "--output", str(output)]
    subprocess.run(command, check=True)
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    return {"processes": count, "backend": backend, "seconds": [time.perf_counter() - start]}


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _material(work: str, size: str, samples: int) -> tuple[str, list[str], Path]:
    encoders = write_encoders(Path(work) / "encoders" / size, size)
    half = (samples - 8) // 2
    posts = Path(work) / "posts" / f"mmsd-{samples}"
    table = write_posts(posts, lengths.draw("mmsd", samples), (samples - 8 - half, half, 8))
    recipe, overrides = recipe_of(size, encoders, table)
    return recipe, overrides, posts


def _rounds(task: str, options: dict[str, Any], rounds: int, phases: int = 1) -> list[dict[str, Any]]:
    """Return the reports of the first phase of each round; a round before them is not counted."""
    found = []
    with Probe(task, options) as probe:
        for _ in range(rounds + 1):
            found.append(probe.round())
            for _ in range(phases - 1):
                probe.round()
    return found[1:]


def _result(reports: list[dict[str, Any]], samples: int) -> dict[str, Any]:
    memory = {name: max(report[name] for report in reports) for name in _MEMORY if name in reports[0]}
    return {"seconds": [report["seconds"] for report in reports], "samples": samples, **memory}


_MEMORY = ("peak_memory_mb", "peak_gpu_memory_mb")

if __name__ == "__main__":
    part, given, place = sys.argv[1:]
    write_json(Path(place), globals()[part](**json.loads(given)))
