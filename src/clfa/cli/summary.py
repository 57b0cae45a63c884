"""Summary of a job for the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clfa.terminal import echo

if TYPE_CHECKING:
    from clfa.jobs.summary import Summary


def show_summary(summary: Summary, target: Path, listed: Path | None = None) -> None:
    """Print the summary of a job.

    Args:
        summary: Counts.
        target: The output.
        listed: File with the list of all failures.
    """
    from clfa.runs.resources import peak_memory_mb

    counts = ", ".join(f"{label} {count:,}" for label, count in summary.labels.most_common())
    echo(f"{summary.rows:,} rows -> {target}" + (f": {counts}" if counts else ""))
    before = f" ({summary.resumed:,} of the rows were finished before)" if summary.resumed else ""
    peak = peak_memory_mb()
    memory = f"; peak memory {peak / 1000:.2f} GB" if peak is not None else ""
    echo(f"{summary.rows_per_second:,.1f} rows/s in {summary.seconds:,.1f} s{before}{memory}")
    if summary.lost:
        echo(f"{summary.lost:,} x a shard was lost with its worker, and done by another")
    failed = sum(summary.failures.values())
    if failed:
        echo(f"{failed:,} rows failed and carry an error" + (f"; all are listed in {listed}:" if listed else ":"))
        for reason, count in summary.failures.most_common():
            echo(f"  {count:,} x {reason}")
        for example in summary.examples:
            echo(f"    {example}")
