"""How far the rows' probabilities can be trusted: their errors before and after calibration, and plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clfa.evaluation.plots import draw_reliability, draw_risk
from clfa.figures import Plot, plot_address
from clfa.report.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ERRORS = ("ece", "nll", "brier")


@dataclass(frozen=True)
class ConfidenceRow:
    """Errors of the probabilities of one target of a row, means over its runs.

    Args:
        name: Name of the row, with that of the target if there are several.
        temperature: Mean temperature; NaN for runs that are not calibrated.
        before: Errors of uncalibrated probabilities, by name in :data:`ERRORS`.
        after: Errors of the probabilities of the runs.
        risk: Mean risk over all coverages; NaN for targets without a confidence.
        plot: Reliability and risk of the row's first run; ``None`` if it cannot be drawn.
    """

    name: str
    temperature: float
    before: dict[str, float]
    after: dict[str, float]
    risk: float
    plot: Plot | None


def confidence_rows(study: Study) -> list[ConfidenceRow]:
    """Return the rows whose runs have such figures, of the reported split."""
    rows = []
    for name in study.rows:
        found: dict[str, list[Mapping[str, Any]]] = {}
        for metrics in study.run_metrics(name):
            for target, report in _reports(metrics.get(study.split, {})):
                found.setdefault(target, []).append(report)
        for target, reports in found.items():
            rows.append(_row(f"{name}, {target}" if target else name, reports))
    return rows


def _reports(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if "calibration" in metrics:
        yield "", metrics["calibration"]
    for target, report in metrics.get("targets", {}).items():
        if "calibration" in report:
            yield target, report["calibration"]


def _row(name: str, reports: list[Mapping[str, Any]]) -> ConfidenceRow:
    temperatures = [report["temperature"] for report in reports if report["temperature"] is not None]
    risks = [report["risk_coverage"]["area"] for report in reports if "risk_coverage" in report]
    before, after = (
        {key: float(np.mean([report[when][key] for report in reports])) for key in ERRORS}
        for when in ("before", "after")
    )
    return ConfidenceRow(
        name,
        float(np.mean(temperatures)) if temperatures else float("nan"),
        before,
        after,
        float(np.mean(risks)) if risks else float("nan"),
        _plot(name, reports[0]),
    )


def _plot(name: str, report: Mapping[str, Any]) -> Plot | None:
    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        draw_reliability(left, report)
        draw_risk(right, report)
        figure.suptitle(name, fontsize=9)

    return plot_address(f"the reliability of {name}", 8, 3.8, draw)
