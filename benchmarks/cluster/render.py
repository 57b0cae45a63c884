"""The table and the plot of a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cluster.scaling import REASONS, Point
from clfa.figures import INK, write_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"idle": "#c9a227", "reading": "#c05621", "start_up": "#6b8e9e", "lost": "#8b3a3a"}


def table(points: Sequence[Point]) -> str:
    """Return a Markdown table of the points."""
    names = " | ".join(("idle at the end", "reading", "start-up", "lost work"))
    lines = [f"| machines | wall hours | cost | efficiency | {names} |", "| ---: " * 8 + "|"]
    for p in points:
        rest = " | ".join(f"{p.spent[name]:.1%}" for name in REASONS)
        lines.append(f"| {p.machines:,} | {p.hours:,.2f} | {p.cost:,.0f} | {p.efficiency:.1%} | {rest} |")
    return "\n".join(lines)


def stops_scaling(points: Sequence[Point], below: Point | None, limit: float) -> str:
    """Return where the job stops scaling, and why."""
    if below is None:
        return f"Efficiency stays above {limit:.0%} up to {points[-1].machines:,} machines."
    return (
        f"From {below.machines:,} machines on, less than {limit:.0%} of the paid time is useful "
        f"({below.efficiency:.1%}); most of the rest is {below.reason}."
    )


def plot(points: Sequence[Point], path: Path, title: str) -> None:
    """Draw hours and cost, and where the time goes, by the number of machines."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        machines = [p.machines for p in points]
        left.plot(machines, [p.hours for p in points], "o-", color=INK, label="wall hours")
        left.plot(machines, [points[0].hours / n for n in machines], ":", color="grey", label="in proportion")
        left.set_yscale("log")
        left.set_ylabel("wall hours")
        cost = left.twinx()
        cost.plot(machines, [p.cost for p in points], "s--", color="#c05621", label="cost (right)")
        cost.set_ylim(0, 1.3 * max(p.cost for p in points) or 1)
        cost.set_ylabel("cost")
        lines = [*left.get_lines(), *cost.get_lines()]
        left.legend(lines, [str(line.get_label()) for line in lines], fontsize=8)
        parts = [[p.efficiency for p in points], *([p.spent[name] for p in points] for name in REASONS)]
        labels = ["useful", *(words.partition(",")[0] for words in REASONS.values())]
        right.stackplot(machines, parts, labels=labels, colors=[INK, *(_COLOURS[name] for name in REASONS)])
        right.set_ylabel("share of the paid time")
        right.set_ylim(0, 1)
        right.set_xlim(machines[0], machines[-1])
        right.legend(fontsize=8, loc="lower left")
        for axes in (left, right):
            axes.set_xscale("log", base=2)
            axes.set_xticks(machines, [f"{n:,}" for n in machines])
            axes.set_xlabel("machines")
        figure.suptitle(title, fontsize=11)
        figure.tight_layout()

    write_plot(path, 9.5, 3.8, draw)
