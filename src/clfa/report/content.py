"""The content of a report, which the HTML and Markdown pages show."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from clfa.experiments.schema import PublishedScores
from clfa.figures import Plot
from clfa.report.confidence import ConfidenceRow
from clfa.report.samples import Change
from clfa.report.size_curves import SizeCurve
from clfa.report.study import Study
from clfa.report.tables import AlignmentRow, ComparisonRow, HeadlineRow
from clfa.report.worth import WorthRow
from clfa.report.yardsticks import GROUP, YardstickFindings


@dataclass
class ReportContent:
    """Content of a report; plots that could not be drawn are absent.

    Args:
        study: The experiment.
        rows: Rows of the headline table.
        compared: Tested differences.
        published: Published scores.
        aligned: Retrieval by students and guides.
        worth: Scores with a modality withheld.
        yardsticks: Plain baselines, and the rows against the best of them.
        intervals: Interval plots by metric.
        curves: Learning curves.
        sizes: Scores over the number of training rows.
        size_plot: Plot of ``sizes``.
        confusions: Confusion matrices.
        clouds: Projection plots by row and run.
        confidence: Errors of probabilities.
        changes: Samples with changed predictions.
        concerns: Warnings of the runs about their data.
    """

    study: Study
    rows: list[HeadlineRow]
    compared: list[ComparisonRow]
    published: list[PublishedScores]
    aligned: list[AlignmentRow]
    worth: list[WorthRow] = field(default_factory=list)
    yardsticks: YardstickFindings = field(default_factory=YardstickFindings)
    intervals: dict[str, Plot] = field(default_factory=dict)
    curves: Plot | None = None
    sizes: list[SizeCurve] = field(default_factory=list)
    size_plot: Plot | None = None
    confusions: list[Plot] = field(default_factory=list)
    clouds: dict[str, Plot] = field(default_factory=dict)
    confidence: list[ConfidenceRow] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    concerns: list[str] = field(default_factory=list)

    @property
    def groups(self) -> list[tuple[str, list[HeadlineRow]]]:
        """Groups of rows with their headings; the yardsticks last."""
        names = dict.fromkeys(row.group for row in self.rows)
        groups = [(name, [row for row in self.rows if row.group == name]) for name in names]
        return [*groups, (GROUP, self.yardsticks.rows)] if self.yardsticks.rows else groups

    @property
    def cosines(self) -> list[AlignmentRow]:
        """Rows whose guide was scored as a classifier by its cosine."""
        return [row for row in self.aligned if not math.isnan(row.cosine_auc)]

    @property
    def size_points(self) -> list[int]:
        """Numbers of training rows for which any curve of ``sizes`` has a score, ascending."""
        return sorted({size for curve in self.sizes for size in curve.points})

    @property
    def versions(self) -> dict[str, list[str]]:
        """Versions of the software that the runs used, by name."""
        frame = self.study.finished
        columns = [column for column in map(str, frame.columns) if column.startswith("versions.")]
        return {c.removeprefix("versions."): sorted(map(str, frame[c].dropna().unique())) for c in columns}
