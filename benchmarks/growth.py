"""How time and memory grow with samples, text length, batch size, classes and processes."""

from __future__ import annotations

import json
import math
import os
import socket
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import lengths
from benchmarks.architectures import recipe_of, write_encoders
from benchmarks.material import write_posts
from benchmarks.probe import Probe
from benchmarks.spread import Spread, spread
from clfa.figures import write_plot
from clfa.files import atomic_write, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What noise makes of proportional growth.
LINEAR = 1.15


@dataclass(frozen=True)
class Axis:
    """What is varied.

    Args:
        name: Of the axis.
        values: On it.
        time: What the time is of: ``epoch`` or ``step``.
        explanation: What is expected, and why, for the page.
    """

    name: str
    values: tuple[int, ...]
    time: str
    explanation: str


AXES = (
    Axis(
        "samples",
        (64, 128, 256, 512, 1024, 2048),
        "epoch",
        "An epoch takes as many steps as there are batches; pictures stay on disk, so that memory holds only texts.",
    ),
    Axis(
        "length",
        (8, 16, 32, 64, 128, 256, 512),
        "epoch",
        "Everything but attention scores is proportional to the tokens; the scores are quadratic, and take over only "
        "where texts are several times longer than the model is wide.",
    ),
    Axis(
        "batch",
        (1, 2, 4, 8, 16, 32, 64),
        "step",
        "A step costs the optimiser's pass over all weights once and the rest per sample; activations are "
        "proportional to the batch.",
    ),
    Axis(
        "classes",
        (2, 8, 32, 128, 512),
        "epoch",
        "Classes are rows of the last matrix and nothing else. An epoch has 256 samples, but for 512 classes, of which "
        "each needs a sample: 512.",
    ),
    Axis(
        "processes",
        (1, 2, 4),
        "epoch",
        "Data-parallel processes on this machine's cores, one thread each: time falls until the cores are used up. "
        "Each process holds the libraries, the weights and the optimiser's state: memory is proportional to them "
        "(pages that they share are counted once for each).",
    ),
    Axis(
        "loaders",
        (0, 1, 2, 4),
        "epoch",
        "Processes that only load pictures; they help while cores are idle and pictures are the slower half. "
        "The memory is the training process's alone; each loader holds the libraries once more.",
    ),
)


@dataclass(frozen=True)
class Point:
    """What was measured at one value of an axis.

    Args:
        value: On the axis.
        seconds: Per epoch or step.
        memory_mb: Largest resident memory, of all processes together.
    """

    value: int
    seconds: Spread
    memory_mb: float


def measure(work: Path, plots: Path, architecture: str, repetitions: int, only: Sequence[str]) -> None:
    """All axes, or those named and what is kept of the others: numbers, pictures, and ``growth.md`` for the page."""
    encoders = write_encoders(work / "encoders" / architecture, architecture, clip=False)
    place = work / "growth.json"
    kept: dict[str, Any] = json.loads(place.read_text(encoding="utf-8")) if place.is_file() and only else {}
    for axis in AXES:
        if only and axis.name not in only:
            continue
        points = []
        for value in axis.values:
            print(f"{axis.name} {value} ...", file=sys.stderr, flush=True)
            points.append(_point(axis, value, work, encoders, architecture, repetitions))
        plot(axis, points, plots / f"{axis.name}.png")
        medians = [(p.value, p.seconds.median, p.memory_mb) for p in points]
        kept[axis.name] = {"points": medians, "page": section(axis, points, plots.name)}
        # After every axis: the next one may fail, or be interrupted.
        write_json(place, kept)
        with atomic_write(work / "growth.md") as file:
            pages = [kept[axis.name]["page"] for axis in AXES if axis.name in kept]
            file.write(f"Architecture `{architecture}`, medians of {repetitions} epochs.\n\n" + "\n".join(pages))


def _point(axis: Axis, value: int, work: Path, encoders: Path, architecture: str, repetitions: int) -> Point:
    samples = value if axis.name == "samples" else 256 if axis.name == "classes" else 128
    classes = value if axis.name == "classes" else 2
    # Every class needs a training sample.
    samples = max(samples, classes)
    fixed = axis.name == "length"
    chosen = [value] * samples if fixed else lengths.draw("mmsd", samples)
    name = f"growth-{samples}-{classes}-{value if fixed else 'mmsd'}"
    chosen += chosen[: max(8, classes)]
    write_posts(work / "posts" / name, chosen, (samples, len(chosen) - samples, 0), classes=classes, distinct=64)
    recipe, overrides = recipe_of(architecture, encoders, work / "posts" / name / "posts.jsonl")
    overrides += ["training.precision=fp32", f"model.max_length={max(77, value) if fixed else 77}"]
    if axis.name == "batch":
        overrides.append(f"training.batch_size={value}")
    if axis.name == "loaders":
        overrides.append(f"training.num_workers={value}")
    options = {"recipe": recipe, "overrides": overrides, "cache": str(work / "cache"), "evaluate": False}
    reports = team(options, value if axis.name == "processes" else 1, repetitions, axis.name == "processes")
    per = 1 if axis.time == "epoch" else reports[0][0]["steps"]
    # A round is over when its last process is.
    times = [max(report["seconds"] for report in together) / per for together in reports]
    return Point(value, spread(times), sum(report["peak_memory_mb"] for report in reports[-1]))


def team(options: dict[str, Any], size: int, repetitions: int, one_thread: bool) -> list[list[dict[str, Any]]]:
    """Rounds of a data-parallel training in ``size`` processes, after one that does not count.

    Returns:
        Per round, the report of each process.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ExitStack() as stack:
        probes = []
        for rank in range(size):
            place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
            place |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(size)}
            environment = place if size > 1 else {}
            threads = 1 if one_thread else os.cpu_count()
            probes.append(
                stack.enter_context(Probe("training:train", options, environment=environment, threads=threads))
            )
        rounds = []
        for _ in range(1 + repetitions):
            for probe in probes:
                probe.ask()
            rounds.append([probe.answer() for probe in probes])
    return rounds[1:]


def exponent(points: Sequence[Point], of: Callable[[Point], float]) -> float:
    """Slope on doubly logarithmic axes over the upper half of the axis: 1 is proportional, 0 constant.

    Args:
        points: In order; those at 0 are left out.
        of: Takes the figure.

    Raises:
        ValueError: With fewer than two points above 0.
    """
    kept = [point for point in points if point.value > 0]
    if len(kept) < 2:
        raise ValueError("growth needs two points above 0.")
    upper = kept[-max(2, (len(kept) + 1) // 2) :]
    x, y = ([math.log(value) for value in values] for values in ([p.value for p in upper], [of(p) for p in upper]))
    return statistics.linear_regression(x, y).slope


def section(axis: Axis, points: Sequence[Point], folder: str) -> str:
    """Markdown: the picture, both exponents, and the explanation."""
    grows = {
        "time": exponent(points, lambda p: p.seconds.median),
        "memory": exponent(points, lambda p: p.memory_mb),
    }
    verdicts = ", ".join(
        f"{name} grows with exponent {slope:.2f} ({'linear or better' if slope <= LINEAR else 'more than linear'})"
        for name, slope in grows.items()
    )
    rows = "\n".join(
        f"| {p.value:,} | {s.median:.3g} s ({s.low:.3g} to {s.high:.3g}) | {p.memory_mb:,.0f} MB |"
        for p in points
        for s in [p.seconds]
    )
    return (
        f"### {axis.name.capitalize()}\n\n![{axis.name}]({folder}/{axis.name}.png)\n\n"
        f"Over the upper half of the axis {verdicts}. {axis.explanation}\n\n"
        f"| {axis.name} | time per {axis.time} | peak memory |\n| ---: | ---: | ---: |\n{rows}\n"
    )


def number(value: float) -> str:
    """Three digits below a hundred, whole numbers above."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def plot(axis: Axis, points: Sequence[Point], path: Path) -> None:
    """Time and memory, beside a dashed line of proportional growth through the last point."""
    from matplotlib import ticker

    def draw(figure: Figure) -> None:
        x = [point.value for point in points]
        panels = figure.subplots(1, 2)
        middle = [point.seconds.median for point in points]
        errors = [
            [point.seconds.median - point.seconds.low for point in points],
            [point.seconds.high - point.seconds.median for point in points],
        ]
        panels[0].errorbar(x, middle, yerr=errors, marker="o", capsize=3, color="#1f5f8b", label="measured")
        panels[1].plot(x, [point.memory_mb for point in points], marker="o", color="#8b3f1f", label="measured")
        for panel, last, unit in (
            (panels[0], middle[-1], f"seconds per {axis.time}"),
            (panels[1], points[-1].memory_mb, "MB"),
        ):
            if x[0] > 0:
                panel.set_xscale("log", base=2)
                # Every doubling has its tick; powers of ten are too far apart here.
                panel.set_yscale("log", base=2)
                panel.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: number(value)))
                panel.plot(x, [last * value / x[-1] for value in x], linestyle="--", color="grey", label="proportional")
            else:
                panel.set_ylim(0, 1.15 * panel.get_ylim()[1])
            panel.set_xticks(x, [f"{value:,}" for value in x])
            panel.minorticks_off()
            panel.set_xlabel(axis.name)
            panel.set_ylabel(unit)
            panel.grid(alpha=0.3)
            panel.legend(frameon=False)
        panels[0].set_title("time")
        panels[1].set_title("peak memory")
        figure.tight_layout()

    write_plot(path, 9, 3.2, draw, dpi=110)
