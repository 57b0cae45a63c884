"""The report as Markdown: tables without plots."""

from __future__ import annotations

import math
from collections.abc import Sequence

from clfa.experiments.scores import factor, title
from clfa.markdown_text import bold, inline, italic, paragraph
from clfa.report import words
from clfa.report.confidence import ERRORS
from clfa.report.content import ReportContent
from clfa.report.format import count, digits, number, p_value, plus_minus
from clfa.report.tables import ComparisonRow


def render_markdown(report: ReportContent) -> str:
    """Return the page."""
    study = report.study
    experiment = study.experiment
    parts = [f"# {inline(experiment.name)}", paragraph(experiment.description)]
    if study.synthetic:
        parts.append(bold(words.SYNTHETIC))
    parts += [paragraph(words.split_sentence(report), words.progress_sentence(report)), _headline(report)]
    parts += [paragraph(words.headline_sentence(report)), paragraph(words.yardstick_sentence(report))]
    for heading, rows in words.differences(report):
        parts += [f"## {inline(heading)}", _compared(report, rows), paragraph(words.test_sentence(report, len(rows)))]
    if report.sizes:
        parts += ["## Number of training rows", _sizes(report), paragraph(words.size_sentence(report))]
    if report.published:
        parts += ["## Published, not rerun", paragraph(words.PUBLISHED), _published(report)]
    if report.aligned:
        parts += ["## Alignment", "Text-to-image retrieval on validation pairs.", _aligned(report)]
        if report.cosines:
            parts += [paragraph(words.COSINE), _cosines(report)]
    if report.worth:
        parts += ["## What each modality is worth", paragraph(words.WORTH), _worth(report)]
    if report.confidence:
        parts += ["## Confidence", paragraph(words.CONFIDENCE), _confidence(report)]
    for change in report.changes:
        table = _table(
            ["", f"{change.second} right", f"{change.second} wrong"],
            [
                [f"{change.first} right", str(change.both_right), str(change.gained)],
                [f"{change.first} wrong", str(change.lost), str(change.both_wrong)],
            ],
        )
        parts += [f"## Changed predictions: {inline(change.first)} against {inline(change.second)}", table]
    if report.concerns:
        parts += ["## Warnings about the data", "\n".join(f"- {inline(line)}" for line in report.concerns)]
    if len(study.failed):
        lines = [[f"{row.row}, fold {row.fold}, seed {row.seed}", str(row.error)] for row in study.failed.itertuples()]
        parts += ["## Failed runs", _table(["run", "error"], lines, numbers=False)]
    versions = "; ".join(f"{name} {', '.join(found)}" for name, found in report.versions.items())
    parts += [
        "## How to repeat it",
        "    clfa experiment experiment.yaml --output DIR\n    clfa report DIR",
        paragraph(versions),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(report: ReportContent) -> str:
    metrics = report.study.metrics
    header = ["row", *(title(metric) for metric in metrics), "runs", "seconds", "memory GB", "trainable"]
    lines: list[list[str]] = []
    for group, rows in report.groups:
        if group:
            lines.append([italic(group), *[""] * (len(header) - 1)])
        for row in rows:
            cells = []
            for metric in metrics:
                score = row.scores.get(metric)
                text = "–" if score is None else plus_minus(score.mean, score.sd, digits(metric))
                if metric in row.best:
                    text = bold(text) if row.significant else f"{text} ◦"
                cells.append(text)
            cost = [number(row.seconds, 0), number(row.memory_gb), count(row.parameters)]
            lines.append([row.name, *cells, str(row.runs), *cost])
    return _table(header, lines)


def _compared(report: ReportContent, rows: list[ComparisonRow]) -> str:
    places = digits(report.study.metrics[0])
    unit = "points" if factor(report.study.metrics[0]) == 100 else "difference"
    lines = []
    for row in rows:
        d = row.difference
        interval = "–" if math.isnan(d.low) else f"{number(d.low, places, True)} to {number(d.high, places, True)}"
        p = bold(p_value(row.corrected_p)) if row.significant else p_value(row.corrected_p)
        lines.append(
            [
                f"{row.first} − {row.second}",
                number(d.mean, places, True),
                interval,
                f"{d.ahead} of {d.n}",
                p_value(d.p),
                p,
                p_value(d.wilcoxon_p),
            ]
        )
    return _table(["rows", unit, "95 % interval", "ahead", "p", "p corrected", "p Wilcoxon"], lines)


def _sizes(report: ReportContent) -> str:
    places = digits(report.study.metrics[0])
    lines = [
        [
            curve.name,
            *(
                plus_minus(score.mean, score.sd, places) if (score := curve.points.get(size)) else "–"
                for size in report.size_points
            ),
        ]
        for curve in report.sizes
    ]
    return _table(["row", *(f"{size:,}" for size in report.size_points)], lines)


def _worth(report: ReportContent) -> str:
    metric = report.study.metrics[0]
    lines = [
        [
            row.name,
            row.modality,
            *(plus_minus(m.mean, m.sd, digits(metric)) for m in (row.whole, row.without, row.worth)),
        ]
        for row in report.worth
    ]
    return _table(["row", "withheld", title(metric), "without it", "worth"], lines)


def _confidence(report: ReportContent) -> str:
    lines = [
        [
            row.name,
            number(row.temperature, 2),
            *(f"{row.before[key]:.3f} → {row.after[key]:.3f}" for key in ERRORS),
            number(row.risk, 3),
        ]
        for row in report.confidence
    ]
    return _table(["row", "temperature", "ECE", "NLL", "Brier", "risk"], lines)


def published_columns(report: ReportContent) -> list[str]:
    """Return the names of the scores that at least one published row has."""
    keys = dict.fromkeys(key for row in report.published for key in row.model_dump(exclude={"method", "source"}))
    return [key for key in keys if any(getattr(row, key, None) is not None for row in report.published)]


def _published(report: ReportContent) -> str:
    columns = published_columns(report)
    lines = [
        [row.method, *(number(_figure(getattr(row, column, None)), 2) for column in columns), row.source]
        for row in report.published
    ]
    return _table(["method", *(title(column) for column in columns), "source"], lines)


def _figure(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _aligned(report: ReportContent) -> str:
    lines = [
        [
            row.name,
            number(row.before, 0),
            number(row.before_rank10),
            number(row.after, 0),
            number(row.after_rank10),
            number(row.guide, 0) + (" (near chance)" if row.near_chance else ""),
            number(row.guide_rank10),
            number(row.chance, 0),
        ]
        for row in report.aligned
    ]
    return _table(
        [
            "row",
            "median rank before",
            "first ten before, %",
            "median rank after",
            "first ten after, %",
            "guide's median rank",
            "guide's first ten, %",
            "chance rank",
        ],
        lines,
    )


def _cosines(report: ReportContent) -> str:
    metric = report.study.metrics[0]
    lines = [[row.name, number(row.cosine, digits(metric)), number(row.cosine_auc)] for row in report.cosines]
    return _table(["row", f"{title(metric)} of the guide's cosine", "AUC, %"], lines)


def _table(header: Sequence[str], lines: Sequence[Sequence[str]], numbers: bool = True) -> str:
    rule = ["---", *("---:" if numbers else "---" for _ in header[1:])]
    return "\n".join("| " + " | ".join(inline(cell) for cell in line) + " |" for line in (header, rule, *lines))
