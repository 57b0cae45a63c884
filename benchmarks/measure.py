"""Carry out the measurements and keep every single value, for :mod:`benchmarks.render` to summarise."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import lengths, machine, startup
from benchmarks.architectures import SHAPES, recipe_of, write_encoders
from benchmarks.floors import Floor, clip_operations, forward_operations, training_floor
from benchmarks.material import write_posts
from benchmarks.memory import MMSD_IMAGES, MMSD_TRAIN
from benchmarks.probe import Probe, ProbeError, once
from benchmarks.reference.compare import compare_memory, compare_times
from clfa.errors import DataError
from clfa.files import write_json

DATA_SETS = ("mmsd", "mvsa-single")
# Seconds from the start of a cached run to the end of its first step.
FIRST_STEP = 15.0
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
    """

    work: Path
    architectures: tuple[str, ...] = ("paper", "offline")
    repetitions: int = 7
    reference: Path | None = None
    memory_samples: int = MMSD_IMAGES
    only: tuple[str, ...] = ()
    data_dir: Path | None = None
    reference_data: tuple[str, ...] = DATA_SETS


class Bench:
    """Runs measurements one after the other; what is finished is on disk at once.

    Args:
        settings: What to measure.
        output: JSON file.

    Attributes:
        results: Its content: ``machine``, ``rates``, ``bandwidth``, ``measurements``, ``comparisons``, ``failures``.
    """

    def __init__(self, settings: Settings, output: Path) -> None:
        self.settings, self.output = settings, output
        self.cache = settings.work / "cache"
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.results: dict[str, Any] = {
            "machine": machine.describe(),
            "measured": time.strftime("%Y-%m-%d"),
            "rates": {precision: machine.rate(precision, self.device) for precision in ("fp32", "bf16")},
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
            ours = self.results["rates"][precision]
            self.results["rates"][precision] = {
                shape: max(rate, rates.get(shape, rate)) for shape, rate in ours.items()
            }
        self.results["bandwidth"] = max(self.results["bandwidth"], before["bandwidth"])
        failures = before["failures"].items()
        self.results["failures"] = {name: why for name, why in failures if name not in self.settings.only}

    def run(self) -> dict[str, Any]:
        """Everything that is wanted; a measurement that fails is reported and the rest go on."""
        plan = {
            "training": self.training,
            "prediction": self.prediction,
            "guide": self.guide,
            "images": self.images,
            "startup": self.startup,
            "memory": self.memory,
            "reference": self.reference,
        }
        for name, work in plan.items():
            if self.settings.only and name not in self.settings.only:
                continue
            print(f"{name} ...", file=sys.stderr, flush=True)
            self.phase = name
            start = time.perf_counter()
            try:
                work()
            except (ProbeError, RuntimeError) as error:
                self.results["failures"][name] = str(error)
                print(f"{name} failed: {error}", file=sys.stderr, flush=True)
            print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
            # What is kept of an earlier run stands before what was measured anew.
            for kind in ("measurements", "comparisons"):
                self.results[kind].sort(key=lambda entry: list(plan).index(entry["phase"]))
            write_json(self.output, self.results)
        return self.results

    def training(self) -> None:
        """Epochs of training, each with its evaluation, by architecture, data set's lengths and precision."""
        for architecture in self.settings.architectures:
            for data_set in DATA_SETS:
                recipe, overrides = self.recipe(architecture, data_set)
                options = {"recipe": recipe, "cache": str(self.cache)}
                contenders = {
                    precision: ("training:train", {**options, "overrides": [*overrides, _precision(precision)]})
                    for precision in ("fp32", "bf16")
                }
                for precision, phases in self.alternate(contenders, ("train", "evaluate")).items():
                    for phase, reports in phases.items():
                        self.add(
                            "training" if phase == "train" else "evaluation",
                            reports,
                            architecture=architecture,
                            data=data_set,
                            precision=precision,
                            floor=self.floor(architecture, phase, reports[0], precision),
                            samples=reports[0]["samples"]["train" if phase == "train" else "validation"],
                        )

    def prediction(self) -> None:
        """Batches, and one post at a time."""
        for architecture in self.settings.architectures:
            recipe, overrides = self.recipe(architecture, "mvsa-single", samples=128)
            posts = Path(overrides[0].partition("=")[2]).parent
            options = {"recipe": recipe, "overrides": overrides, "cache": str(self.cache), "posts": str(posts)}
            cases: dict[str, dict[str, Any]] = {
                "batch 32": {"batch_size": 32},
                "batch 32, bf16": {"batch_size": 32, "precision": "bf16"},
                "batch 1": {"batch_size": 1},
                "batch 32, ONNX Runtime": {"batch_size": 32, "engine": "onnx"},
                "batch 1, ONNX Runtime": {"batch_size": 1, "engine": "onnx"},
            }
            found = self.alternate({name: ("prediction:predict", {**options, **case}) for name, case in cases.items()})
            for case, phases in found.items():
                reports = phases[""]
                count = reports[0]["samples"]
                # The convolutions of the offline architecture's vision encoder are not counted.
                operations = None
                if architecture != "offline":
                    operations = forward_operations(SHAPES[architecture], lengths.draw("mvsa-single", count))
                precision = str(cases[case].get("precision", "fp32"))
                name = f"prediction, {case.removesuffix(', bf16')}"
                self._add_forward(name, reports, architecture, operations, precision)

    def guide(self) -> None:
        """CLIP at the paper's architecture, the fitted guide at the offline one."""
        for architecture in self.settings.architectures:
            recipe, overrides = self.recipe(
                architecture, "mvsa-single", samples=None if architecture == "offline" else 128
            )
            posts = Path(overrides[0].partition("=")[2]).parent
            task, options = "guide:fitted", {"recipe": recipe, "overrides": overrides}
            if architecture != "offline":
                task, options = "guide:clip", {"model": str(self.encoders(architecture) / "clip"), "posts": str(posts)}
            reports = self.alternate({"": (task, {**options, "cache": str(self.cache)})})[""][""]
            count = reports[0]["samples"]
            # Only the paper's guide is counted: the fitted one is a few small matrices.
            operations = clip_operations(lengths.draw("mvsa-single", count)) if architecture == "paper" else None
            self._add_forward(task.replace(":", ", "), reports, architecture, operations)

    def _add_forward(
        self,
        name: str,
        reports: list[dict[str, Any]],
        architecture: str,
        operations: float | None,
        precision: str = "fp32",
    ) -> None:
        """Keep a measurement of forward passes, with its floor where the operations are known."""
        floor = None
        if operations is not None:
            floor = Floor(operations, 0.0, max(self.results["rates"][precision].values()), self.results["bandwidth"])
        self.add(
            name,
            reports,
            architecture=architecture,
            data="mvsa-single",
            precision=precision,
            samples=reports[0]["samples"],
            floor=floor,
        )

    def images(self) -> None:
        """From files to tensors; of the posts made here, and of real ones where there are any."""
        folders = {"synthetic": self.posts("mvsa-single", 256) / "images"}
        if self.settings.data_dir is not None:
            folders["mvsa-single"] = self.settings.data_dir / "mvsa-single" / "data"
        processor = str(self.encoders("small") / "vit")
        for name, folder in folders.items():
            options = {"processor": processor, "pictures": str(folder), "limit": 256, "cache": str(self.cache)}
            reports = self.alternate({"": ("images:load", options)})[""][""]
            self.add("image loading", reports, data=name, samples=reports[0]["samples"])

    def startup(self) -> None:
        """Imports in fresh interpreters, alternating, and the first training step of a cached run."""
        names = list(startup.COMMANDS)
        values: dict[str, list[float]] = {name: [] for name in names}
        for repetition in range(-1, self.settings.repetitions):
            random.Random(repetition).shuffle(names)
            for name in names:
                seconds = startup.seconds_of(startup.COMMANDS[name])
                if repetition >= 0:
                    values[name].append(seconds)
        for name, seconds in values.items():
            self.results["measurements"].append({"name": f"start: {name}", "phase": self.phase, "seconds": seconds})
        for architecture in self.settings.architectures:
            self.first_step(architecture, *self.recipe(architecture, "mvsa-single"))
        if self.settings.data_dir is not None:
            self.first_step(
                "offline", "mvsa-single-offline", [f"data.dir={self.settings.data_dir / 'mvsa-single'}"], "mvsa-single"
            )

    def first_step(self, architecture: str, recipe: str, overrides: list[str], data: str = "synthetic") -> None:
        """Start a run several times; the first fills the cache and does not count."""
        options = {"recipe": recipe, "overrides": overrides, "cache": str(self.cache)}
        reports = [
            once("startup:first_step", {**options, "started": time.time()})
            for _ in range(1 + min(self.settings.repetitions, 5))
        ]
        self.add("start: first training step", reports[1:], architecture=architecture, data=data, at_most=FIRST_STEP)

    def memory(self) -> None:
        """All pictures of a data set as large as MMSD, and the authors' way at sizes that fit, extrapolated."""
        count = self.settings.memory_samples
        train = round(count * MMSD_TRAIN / MMSD_IMAGES)
        rest = count - train
        folder = self.posts("mmsd", count, (train, rest // 2, rest - rest // 2), distinct=500)
        _, overrides = recipe_of("paper", self.encoders("paper"), folder / "posts.jsonl")
        options = {"recipe": "paper-mmsd", "overrides": overrides, "cache": str(self.cache)}
        report = once("memory:load", options)
        libraries = report["libraries_mb"]
        self.add("peak memory of the data", [report], samples=count, data="mmsd", floor_mb=libraries)
        if self.settings.reference is not None:
            compare_memory(self, report["peak_memory_mb"], count)

    def reference(self) -> None:
        """The authors' loops and ours, alternating, on the same samples."""
        if self.settings.reference is not None:
            compare_times(self)

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
                        if repetition >= 0:
                            found[name][phase].append(report)
        return found

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
        posts = self.posts(data_set, samples or 2 * TRAIN_SAMPLES[architecture] + 8) / "posts.jsonl"
        directory = Path() if architecture == "offline" else self.encoders(architecture)
        return recipe_of(architecture, directory, posts)


@contextmanager
def processes(contenders: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Iterator[dict[str, Probe]]:
    """A probe per contender."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(Probe(task, options)) for name, (task, options) in contenders.items()}


def _precision(name: str) -> str:
    return f"training.precision={name}"
