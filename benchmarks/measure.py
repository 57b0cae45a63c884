"""Carry out the measurements and keep every single value, for :mod:`benchmarks.render` to summarise."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import lengths, startup
from benchmarks.architectures import SHAPES, recipe_of
from benchmarks.floors import Floor, clip_operations, forward_operations
from benchmarks.memory import MMSD_IMAGES, MMSD_TRAIN
from benchmarks.probe import ProbeError, once
from benchmarks.recorder import Recorder
from benchmarks.reference.compare import compare_memory, compare_times
from clfa.files import write_json

# Seconds from the start of a cached run to the end of its first step.
FIRST_STEP = 15.0


class Bench(Recorder):
    """Runs measurements one after the other; what is finished is on disk at once."""

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
            for data_set in self.settings.data_sets:
                recipe, overrides = self.recipe(architecture, data_set)
                options = {"recipe": recipe, "cache": str(self.cache)}
                contenders = {
                    precision: ("training:train", {**options, "overrides": [*overrides, _precision(precision)]})
                    for precision in self.settings.precisions
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
            recipe, overrides = self.recipe(architecture, "mvsa-single", samples=self.settings.prediction_samples)
            posts = Path(overrides[0].partition("=")[2]).parent
            options = {"recipe": recipe, "overrides": overrides, "cache": str(self.cache), "posts": str(posts)}
            cases: dict[str, dict[str, Any]] = {
                "batch 32": {"batch_size": 32},
                "batch 32, bf16": {"batch_size": 32, "precision": "bf16"},
                "batch 1": {"batch_size": 1},
                "batch 32, ONNX Runtime": {"batch_size": 32, "engine": "onnx"},
                "batch 1, ONNX Runtime": {"batch_size": 1, "engine": "onnx"},
            }
            wanted = self.settings.precisions
            cases = {name: case for name, case in cases.items() if case.get("precision", "fp32") in wanted}
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


def _precision(name: str) -> str:
    return f"training.precision={name}"
