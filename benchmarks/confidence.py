"""Calibration of finished runs: fitted to the predictions for the validation split, scored on those for the test split.

    python benchmarks/confidence.py RUN [RUN ...]

It reads predictions-validation.jsonl and predictions-test.jsonl of run folders, so that runs of versions without
calibration, and with training.calibrate=false, are compared too. Of members (training.members) the validation
predictions are out of fold. For each run it prints the errors of the test probabilities before and after temperature
scaling, and what thresholds of the validation split reach on the test split. Runs with several targets are refused.
With --redraw N it also prints the mean over N random divisions of both splits together into parts of the same sizes:
what happens if the posts to come are like those of the calibration, which an official test split need not be.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from clfa.targets.calibrate import calibrated
from clfa.targets.reliability import calibration_report
from clfa.targets.target import Target


def read_split(run: Path, split: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the classes, the labels (N, 1) and logarithms of the probabilities (N, C) of a split.

    Raises:
        SystemExit: If the run has no such predictions, or several targets.
    """
    path = run / f"predictions-{split}.jsonl"
    if not path.is_file():
        raise SystemExit(f"{path} does not exist; give run folders of finished runs.")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row.get("label") is not None]
    if not rows or "probabilities" not in rows[0]:
        raise SystemExit(f"{path} has no labelled posts with the probabilities of one target.")
    classes = list(rows[0]["probabilities"])
    labels = np.array([[float(classes.index(str(row["label"])))] for row in rows])
    return classes, labels, np.log(np.maximum([list(row["probabilities"].values()) for row in rows], 1e-6))


def measure(run: Path, redraws: int = 0, seed: int = 0) -> list[dict[str, Any]]:
    """Return the report of the test split, with the calibration of the validation split, or one for each redraw."""
    classes, labels, logits = read_split(run, "validation")
    _, test_labels, test_logits = read_split(run, "test")
    size, labels, logits = len(labels), np.concatenate([labels, test_labels]), np.concatenate([logits, test_logits])
    random = np.random.default_rng(seed)
    orders = [random.permutation(len(labels)) for _ in range(redraws)] or [np.arange(len(labels))]
    reports = []
    for order in orders:
        first, second = order[:size], order[size:]
        (target,) = calibrated([Target("label", label_names=tuple(classes))], labels[first], logits[first])
        report = calibration_report(target, labels[second], logits[second])
        assert report is not None
        reports.append(report)
    return reports


def show(name: str, reports: list[dict[str, Any]]) -> str:
    """Return a line of a Markdown table: means over the reports."""

    def mean(find: Callable[[dict[str, Any]], float]) -> float:
        return float(np.mean([find(report) for report in reports]))

    def kept(report: dict[str, Any], key: str) -> float:
        return next(one[key] for one in report["abstention"] if one["coverage"] == 0.8)

    def sets(method: str, key: str) -> float:
        return mean(lambda report: next(one[key] for one in report["sets"] if one["method"] == method))

    cells = [name, f"{mean(lambda r: r['temperature']):.2f}"]
    for key in ("ece", "classwise_ece", "nll", "brier"):
        cells.append(" → ".join(f"{mean(lambda r, w=when, k=key: r[w][k]):.3f}" for when in ("before", "after")))
    cells.append(f"{100 * mean(lambda r: kept(r, 'reached')):.1f}")
    errors = mean(lambda r: r["risk_coverage"]["points"][-1][1]), mean(lambda r: kept(r, "risk"))
    cells.append(" → ".join(f"{100 * error:.1f}" for error in errors))
    cells += [f"{100 * sets(name, 'reached'):.1f} ({sets(name, 'mean_size'):.2f})" for name in ("lac", "aps")]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print a table of the runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--redraw", type=int, default=0, metavar="N", help="random divisions")
    options = parser.parse_args()
    columns = ["run", "T", "ECE", "classwise ECE", "NLL", "Brier", "reached at 0.8", "errors", "LAC 0.9", "APS 0.9"]
    print(f"| {' | '.join(columns)} |\n| --- |{' ---: |' * (len(columns) - 1)}")
    for run in options.runs:
        print(show(run.name, measure(run)), flush=True)
        if options.redraw:
            print(show(f"{run.name}, redrawn", measure(run, options.redraw)), flush=True)


if __name__ == "__main__":
    main()
