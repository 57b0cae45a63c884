"""What every measurement needs: processes in turns, posts and encoders to measure on, a file of all values."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks import lengths, machine
from benchmarks.architectures import SHAPES, recipe_of, write_encoders
from benchmarks.floors import Floor, forward_operations, training_floor
from benchmarks.material import write_posts
from benchmarks.memory import MMSD_IMAGES
from benchmarks.probe import Probe
from clfa.errors import DataError

DATA_SETS = ("mmsd", "mvsa-single")
PRECISIONS = ("fp32", "bf16")
# Epochs have to last seconds, and no longer.
TRAIN_SAMPLES = {"paper": 64, "small": 64, "offline": 1024}


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Args:
        work: Folder for posts, encoders and caches; kept, so that a second run is quicker.
        architectures: Of ``paper``, ``offline`` and ``small``.
        repetitions: Values kept of each measurement.
        reference: The authors' code, to be run alongside.
        memory_samples: Posts of the memory measurement.
        only: Names of measurements; all when empty.
        data_dir: Folder with ``mvsa-single``, for the start of a run on real data.
        reference_data: Data sets whose text lengths the comparison with the authors' code has.
        precisions: Of ``fp32`` and ``bf16``; those that the machine computes in without emulation when not given.
        data_sets: Data sets whose text lengths the measurements of training have.
        train_samples: Posts of an epoch, by architecture.
        prediction_samples: Posts of prediction.
    """

    work: Path
    architectures: tuple[str, ...] = ("paper", "offline")
    repetitions: int = 7
    reference: Path | None = None
    memory_samples: int = MMSD_IMAGES
    only: tuple[str, ...] = ()
    data_dir: Path | None = None
    reference_data: tuple[str, ...] = DATA_SETS
    precisions: tuple[str, ...] = field(default_factory=machine.fast_precisions)
    data_sets: tuple[str, ...] = DATA_SETS
    train_samples: Mapping[str, int] = field(default_factory=lambda: TRAIN_SAMPLES)
    prediction_samples: int = 128


class Recorder:
    """Measures in turns and keeps every value.

    Args:
        settings: What to measure.
        output: JSON file.

    Attributes:
        results: Its content: ``machine``, ``rates``, ``bandwidth``, ``measurements``, ``comparisons``, ``failures``.
        phase: What is being measured.
    """

    def __init__(self, settings: Settings, output: Path) -> None:
        self.settings, self.output = settings, output
        self.cache = settings.work / "cache"
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.results: dict[str, Any] = {
            "machine": machine.describe(),
            "measured": time.strftime("%Y-%m-%d"),
            "rates": {precision: machine.rate(precision, self.device) for precision in settings.precisions},
            "left_out": {
                precision: "not asked for" if precision in machine.fast_precisions() else "emulated by this processor"
                for precision in PRECISIONS
                if precision not in settings.precisions
            },
            "bandwidth": machine.bandwidth(self.device),
            "measurements": [],
            "comparisons": [],
            "failures": {},
        }
        self.phase = ""

    def keep(self, before: Mapping[str, Any]) -> None:
        """Take over what an earlier run on the same machine measured and this one does not.

        Args:
            before: Its results.

        Raises:
            DataError: When that was another machine, or other versions.
        """
        fixed = [{k: v for k, v in r["machine"].items() if k != "load_before"} for r in (before, self.results)]
        if fixed[0] != fixed[1]:
            raise DataError(
                f"{self.output} was measured on another machine or with other versions; without --only all is measured."
            )
        for kind in ("measurements", "comparisons"):
            self.results[kind] = [entry for entry in before[kind] if entry.get("phase") not in self.settings.only]
        # The fastest product is what floors want, whichever run it was seen in.
        for precision, rates in before["rates"].items():
            ours = self.results["rates"].get(precision, rates)
            self.results["rates"][precision] = {
                shape: max(rate, rates.get(shape, rate)) for shape, rate in ours.items()
            }
        self.results["bandwidth"] = max(self.results["bandwidth"], before["bandwidth"])
        failures = before["failures"].items()
        self.results["failures"] = {name: why for name, why in failures if name not in self.settings.only}

    def alternate(
        self, contenders: Mapping[str, tuple[str, Mapping[str, Any]]], phases: Sequence[str] = ("",)
    ) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """Reports of each contender and phase; one round of each per repetition, in changing order, after a warm-up.

        Args:
            contenders: Task and options by name.
            phases: That a contender's rounds go through, again and again.
        """
        found: dict[str, dict[str, list[dict[str, Any]]]] = {name: {p: [] for p in phases} for name in contenders}
        with processes(contenders) as probes:
            names = list(probes)
            for repetition in range(-1, self.settings.repetitions):
                for phase in phases:
                    random.Random(f"{repetition} {phase}").shuffle(names)
                    for name in names:
                        report = probes[name].round()
                        self._show(repetition, " ".join(filter(None, (name, phase))), report)
                        if repetition >= 0:
                            found[name][phase].append(report)
        return found

    def _show(self, repetition: int, what: str, report: Mapping[str, Any]) -> None:
        which = f"round {repetition + 1} of {self.settings.repetitions}" if repetition >= 0 else "warm-up"
        time = f": {report['seconds']:.1f} s" if "seconds" in report else ""
        print(f"  {self.phase}, {which}, {what or 'all'}{time}", file=sys.stderr, flush=True)

    def add(self, name: str, reports: list[dict[str, Any]], floor: Floor | None = None, **facts: Any) -> None:
        """Keep a measurement."""
        entry = {"name": name, "phase": self.phase, "device": self.device, **facts}
        if "seconds" in reports[0]:
            entry["seconds"] = [report["seconds"] for report in reports]
        for memory in ("peak_memory_mb", "peak_gpu_memory_mb"):
            if memory in reports[0]:
                entry[memory] = max(report[memory] for report in reports)
        if floor is not None:
            entry["floor_seconds"] = floor.seconds
            entry["operations"] = floor.operations
            entry["bytes"] = floor.bytes
            entry["operations_per_second"] = floor.operations_per_second
        self.results["measurements"].append(entry)

    def floor(self, architecture: str, phase: str, report: dict[str, Any], precision: str) -> Floor:
        """Of an epoch or an evaluation."""
        rate = max(self.results["rates"][precision].values())
        shape, cached = SHAPES[architecture], architecture == "offline"
        if phase == "train":
            tokens, steps, size = report["tokens"]["train"], report["steps"], report["parameters"]
            return training_floor(shape, tokens, steps, size, rate, self.results["bandwidth"], cached)
        operations = forward_operations(shape, report["tokens"]["validation"], cached)
        return Floor(operations, 0.0, rate, self.results["bandwidth"])

    def encoders(self, size: str) -> Path:
        """Folder of random encoders."""
        return write_encoders(self.settings.work / "encoders" / size, size)

    def posts(
        self, data_set: str, samples: int, counts: tuple[int, int, int] | None = None, distinct: int | None = None
    ) -> Path:
        """Folder of posts with a data set's text lengths; half train, half validation but for a few."""
        half = (samples - 8) // 2
        counts = counts or (samples - 8 - half, half, 8)
        name = f"{data_set}-{'-'.join(map(str, counts))}"
        folder = self.settings.work / "posts" / name
        write_posts(folder, lengths.draw(data_set, samples), counts, distinct=distinct)
        return folder

    def recipe(self, architecture: str, data_set: str, samples: int | None = None) -> tuple[str, list[str]]:
        """Recipe and overrides of an architecture on synthetic posts."""
        posts = self.posts(data_set, samples or 2 * self.settings.train_samples[architecture] + 8) / "posts.jsonl"
        directory = Path() if architecture == "offline" else self.encoders(architecture)
        return recipe_of(architecture, directory, posts)


@contextmanager
def processes(contenders: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Iterator[dict[str, Probe]]:
    """A probe per contender."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(Probe(task, options)) for name, (task, options) in contenders.items()}
