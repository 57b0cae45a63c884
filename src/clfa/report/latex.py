"""The report's tables as LaTeX, as papers print them: booktabs, mean and standard deviation, the best in bold."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from clfa.experiments.scores import factor, lower_is_better, title
from clfa.report import words
from clfa.report.content import ReportContent
from clfa.report.format import digits, number, p_value
from clfa.report.latex_text import tex
from clfa.report.statistics import Mean
from clfa.report.tables import HeadlineRow

_HEAD = r"""% Tables of `clfa report --latex`. They need \usepackage{booktabs}, before 2020 also textcomp.
% Names in other scripts than Latin need LuaLaTeX or XeLaTeX, and a font that has them."""


def render_latex(report: ReportContent) -> str:
    """Return the tables of scores and of tested differences, to be put into a document by ``\\input``."""
    study = report.study
    slug = re.sub(r"[^a-z0-9]+", "-", study.experiment.name.lower()).strip("-") or "experiment"
    notes = [study.experiment.name + ".", words.split_sentence(report)]
    if study.synthetic:
        notes.append(words.SYNTHETIC)
    marked = any(row.significant for row in report.rows)
    # The explanation is a formula; all other notes are texts.
    caption = " ".join(tex(note) for note in notes if note) + (
        f" Mean $\\pm$ standard deviation over {_over(report)}; the best mean, yardsticks apart, is bold, "
        "the second underlined."
    )
    if marked:
        baseline = tex(str(study.experiment.baseline_row))
        caption += f" $^{{\\dagger}}$ differs from {baseline} ($p < 0.05$, corrected after Holm)."
    parts = [_HEAD, _table(_scores(report), caption, f"tab:{slug}")]
    if report.compared:
        about = f"{tex(study.experiment.name)}: differences in {tex(title(study.metrics[0]))}, paired tests."
        parts.append(_table(_differences(report), about, f"tab:{slug}-differences"))
    return "\n\n".join(parts) + "\n"


def _scores(report: ReportContent) -> list[str]:
    metrics = report.study.metrics
    header = " & ".join(["", *(tex(title(metric)) for metric in metrics), "runs"])
    lines = [rf"\begin{{tabular}}{{l{'c' * len(metrics)}r}}", r"\toprule", rf"{header} \\"]
    places = {metric: _places(report.rows, metric) for metric in metrics}
    for group, rows in report.groups:
        lines.append(r"\midrule")
        if group:
            lines.append(rf"\multicolumn{{{len(metrics) + 2}}}{{l}}{{\textit{{{tex(group)}}}}} \\")
        for row in rows:
            cells = [
                _score(row, metric, places[metric].get(row.name), tested=metric == metrics[0]) for metric in metrics
            ]
            lines.append(rf"{' & '.join([tex(row.name), *cells, str(row.runs)])} \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _over(report: ReportContent) -> str:
    study = report.study
    return "folds, each the mean of its seeds" if study.nested else "folds" if study.over_folds else "seeds"


def _places(rows: Sequence[HeadlineRow], metric: str) -> dict[str, int]:
    """Return 0 for the rows with the best mean of a metric as it is printed, 1 for those with the second best."""
    printed = {row.name: round(row.scores[metric].mean, digits(metric)) for row in rows if metric in row.scores}
    values = sorted(set(printed.values()), reverse=not lower_is_better(metric))
    return {name: values.index(value) for name, value in printed.items() if value in values[:2]}


def _score(row: HeadlineRow, metric: str, place: int | None, *, tested: bool) -> str:
    score: Mean | None = row.scores.get(metric)
    if score is None:
        return "--"
    text = tex(number(score.mean, digits(metric)))
    if place is not None:
        text = rf"\{('textbf', 'underline')[place]}{{{text}}}"
    if tested and row.significant:
        text += r"$^{\dagger}$"
    return text if math.isnan(score.sd) else rf"{text} $\pm$ {tex(number(score.sd, digits(metric)))}"


def _differences(report: ReportContent) -> list[str]:
    metric = report.study.metrics[0]
    places = digits(metric)
    unit = "points" if factor(metric) == 100 else "difference"
    lines = [r"\begin{tabular}{lrrrr}", r"\toprule", rf"rows & {unit} & 95\,\% interval & $p$ & $p$ corrected \\"]
    lines.append(r"\midrule")
    for row in report.compared:
        d = row.difference
        interval = "–" if math.isnan(d.low) else f"{number(d.low, places, True)} to {number(d.high, places, True)}"
        p = tex(p_value(row.corrected_p))
        cells = [
            f"{tex(row.first)} $-$ {tex(row.second)}",
            tex(number(d.mean, places, True)),
            tex(interval),
            tex(p_value(d.p)),
            rf"\textbf{{{p}}}" if row.significant else p,
        ]
        lines.append(rf"{' & '.join(cells)} \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _table(lines: Sequence[str], caption: str, label: str) -> str:
    top = [r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", rf"\label{{{label}}}"]
    return "\n".join([*top, *lines, r"\end{table}"])
