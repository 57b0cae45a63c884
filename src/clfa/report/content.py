"""What the pages of a report show."""

from __future__ import annotations

from dataclasses import dataclass, field

from clfa.experiments.schema import PublishedScores
from clfa.report.samples import Change
from clfa.report.study import Study
from clfa.report.tables import AlignmentRow, ComparisonRow, HeadlineRow
from clfa.report.worth import WorthRow


@dataclass
class ReportContent:
    """Content of the pages.

    Args:
        study: The experiment.
        rows: Headline table.
        compared: Tested differences.
        published: Figures of others.
        aligned: Retrieval of students and guides.
        worth: Scores with a modality withheld.
        intervals: Dot plots by metric.
        curves: Learning curves.
        confusions: Confusion matrices.
        clouds: Row and run -> projection plot.
        changes: Samples whose answer changed.
    """

    study: Study
    rows: list[HeadlineRow]
    compared: list[ComparisonRow]
    published: list[PublishedScores]
    aligned: list[AlignmentRow]
    worth: list[WorthRow] = field(default_factory=list)
    intervals: dict[str, str] = field(default_factory=dict)
    curves: str | None = None
    confusions: list[str] = field(default_factory=list)
    clouds: dict[str, str] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    @property
    def groups(self) -> list[tuple[str, list[HeadlineRow]]]:
        """Rows under their headings."""
        names = dict.fromkeys(row.group for row in self.rows)
        return [(name, [row for row in self.rows if row.group == name]) for name in names]

    @property
    def versions(self) -> dict[str, list[str]]:
        """Versions that the runs were made with; more than one of a kind is worth a remark."""
        frame = self.study.finished
        columns = [column for column in map(str, frame.columns) if column.startswith("versions.")]
        return {c.removeprefix("versions."): sorted(map(str, frame[c].dropna().unique())) for c in columns}
