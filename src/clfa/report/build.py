"""Building of a report: from an experiment's folder to its pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from clfa.errors import DataError
from clfa.experiments.scores import factor, lower_is_better
from clfa.figures import Plot
from clfa.files import atomic_write, require_writable
from clfa.report.confidence import confidence_rows
from clfa.report.content import ReportContent
from clfa.report.html import render_html
from clfa.report.latex import render_latex
from clfa.report.markdown import render_markdown
from clfa.report.plots import confusion_plot, interval_plot, learning_curves, projection_plot, size_plot
from clfa.report.projection import read_projections
from clfa.report.published import published_rows
from clfa.report.samples import change
from clfa.report.size_curves import size_curves
from clfa.report.study import Study
from clfa.report.tables import alignment_rows, best_row, comparisons, headline
from clfa.report.worth import worth_rows
from clfa.report.yardsticks import yardstick_findings

# Largest numbers of plots that are still readable on one page.
# Most warnings about the data; those of folds differ in numbers only.
_MAX_CONCERNS = 12
_MAX_CURVES, _MAX_CLOUDS, _MAX_CONFUSIONS, _MAX_CHANGES = 8, 6, 4, 3


def write_report(
    directory: str | Path,
    output: str | Path | None = None,
    *,
    metric: str | None = None,
    samples: bool = True,
    latex: bool = False,
) -> tuple[Path, ...]:
    """Write the report of an experiment as HTML and Markdown, and its tables as LaTeX.

    Args:
        directory: Output folder of ``clfa experiment``.
        output: HTML file; ``directory/report.html`` when not given. The others are written beside it.
        metric: Metric to test instead of the experiment's first one.
        samples: Whether to show posts (texts and images) of the data set.
        latex: Whether to write the tables as LaTeX, too.

    Returns:
        Paths of the HTML and the Markdown file and, with ``latex``, of the LaTeX file.

    Raises:
        CLFAError: When the folder holds no experiment or no run has finished.
    """
    path = Path(output) if output is not None else Path(directory) / "report.html"
    beside = path.with_suffix(".md")
    places = (path, beside, path.with_suffix(".tex"))[: 3 if latex else 2]
    if path.suffix in (".md", ".tex"):
        raise DataError(f"{path}: the page is HTML, and a file with this suffix is written beside it; use .html.")
    for place in places:
        require_writable(place, file=True)
    content = build(Study.read(directory, metric), samples=samples)
    with atomic_write(beside) as file:
        file.write(render_markdown(content))
    with atomic_write(path) as file:
        file.write(render_html(content))
    if latex:
        with atomic_write(places[-1]) as file:
            file.write(render_latex(content))
    return places


def build(study: Study, *, samples: bool = True) -> ReportContent:
    """Compute the content of the report.

    Args:
        study: The experiment.
        samples: Whether to include samples with changed predictions.
    """
    compared = comparisons(study)
    rows = headline(study, compared)
    report = ReportContent(study, rows, compared, published_rows(study.experiment.published), alignment_rows(study))
    report.worth = worth_rows(study)
    report.confidence = confidence_rows(study)
    report.yardsticks = yardstick_findings(study)
    lines = (line for row in study.rows for line in study.run_warnings(row))
    report.concerns = list(dict.fromkeys(lines))[:_MAX_CONCERNS]
    chosen = _chosen(report)
    for metric in study.metrics[:2]:
        values = {
            row.name: [factor(metric) * score for score in study.scores(row.name, metric).values()] for row in rows
        }
        plot = interval_plot(rows, metric, values, study.experiment.baseline_row)
        if plot is not None:
            report.intervals[metric] = plot
    curves = chosen if len(rows) > _MAX_CURVES else [row.name for row in rows]
    report.curves = learning_curves(
        {name: list(study.folders(name).values()) for name in curves[:_MAX_CURVES]}, study.metrics[0]
    )
    report.sizes = size_curves(study, study.metrics[0])
    if report.sizes:
        report.size_plot = size_plot(report.sizes, study.metrics[0])
    for name in chosen[:_MAX_CONFUSIONS]:
        report.confusions += _confusions(study, name)
    for name in dict.fromkeys([*chosen, *(row.name for row in rows)]):
        if len(report.clouds) < _MAX_CLOUDS:
            report.clouds.update(_cloud(study, name))
    if samples:
        found = (change(study, first, second) for first, second in _pairs(report)[:_MAX_CHANGES])
        report.changes = [one for one in found if one is not None]
    return report


def _chosen(report: ReportContent) -> list[str]:
    """Return the rows for detailed plots: the baseline, the best, the compared ones, then the first two."""
    experiment, best = report.study.experiment, best_row(report.rows, report.study.metrics[0])
    wanted = [
        experiment.baseline_row,
        best.name if best else None,
        *(name for pair in experiment.compare for name in pair),
    ]
    names = [row.name for row in report.rows]
    return list(dict.fromkeys([*(name for name in wanted if name in names), *names[:2]]))


def _pairs(report: ReportContent) -> list[tuple[str, str]]:
    """Return the pairs of rows whose predictions are compared: best row and baseline, then the experiment's pairs."""
    experiment, names = report.study.experiment, [row.name for row in report.rows]
    pairs = [(first, second) for first, second in experiment.compare]
    baseline = experiment.baseline_row
    others = [row for row in report.rows if row.name != baseline and report.study.metrics[0] in row.scores]
    if baseline is not None and others:
        metric = report.study.metrics[0]
        sign = -1 if lower_is_better(metric) else 1
        pairs.insert(0, (max(others, key=lambda row: sign * row.scores[metric].mean).name, baseline))
    return [pair for pair in dict.fromkeys(pairs) if pair[0] in names and pair[1] in names]


def _confusions(study: Study, row: str) -> list[Plot]:
    sums: dict[str, np.ndarray] = {}
    names: dict[str, list[str]] = {}
    for metrics in study.run_metrics(row):
        for target, scores in _matrices(metrics.get(study.split, {})):
            matrix = np.array(scores["confusion_matrix"])
            names[target] = list(scores["classes"])
            sums[target] = sums.get(target, 0) + matrix
    plots = (
        confusion_plot(matrix, names[target], f"{row}, {target}" if target else row)
        for target, matrix in sums.items()
        if matrix.ndim == 2 and len(matrix) == len(names[target])
    )
    return [plot for plot in plots if plot is not None]


def _matrices(scores: dict[str, Any], target: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the confusion matrices at any depth, with the name of their target."""
    if "confusion_matrix" in scores and "classes" in scores:
        yield target, scores
    for name, inner in scores.items():
        if isinstance(inner, dict):
            yield from _matrices(inner, name)


def _cloud(study: Study, row: str) -> dict[str, Plot]:
    for (fold, seed), folder in study.folders(row).items():
        path = folder / "alignment.safetensors"
        if path.is_file():
            moments = read_projections(path)
            plot = None if moments is None else projection_plot(*moments)
            if plot is not None:
                return {f"{row}: {'' if fold is None else f'fold {fold}, '}seed {seed}": plot}
    return {}
