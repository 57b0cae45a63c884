from __future__ import annotations

import math
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfa.report.latex import render_latex
from clfa.report.latex_text import _ESCAPES, tex
from clfa.report.statistics import Difference, Mean
from clfa.report.tables import ComparisonRow, HeadlineRow

HOSTILE = r"\input{/etc/passwd} & 50% of $x_1^2$ #1 ~ [a] * `b` <c>|" + '"\n\\\\'


def difference(mean: float, p: float) -> Difference:
    known = {"mean": mean, "low": mean - 1, "high": mean + 1, "p": p, "wilcoxon_p": p, "ahead": 2, "n": 2}
    return Difference(**{name: known.get(name, math.nan) for name in Difference.__dataclass_fields__})


def mean(value: float, sd: float) -> Mean:
    known = {"mean": value, "sd": sd, "n": 2}
    return Mean(**{name: known.get(name, math.nan) for name in Mean.__dataclass_fields__})


@pytest.fixture
def report() -> Any:
    first = HeadlineRow(
        "text_only", "one modality", {"accuracy": mean(70.12, 0.5), "macro_f1": mean(69, math.nan)}, 2, 1, 1, 1
    )
    second = HeadlineRow(HOSTILE, "", {"accuracy": mean(75.5, 1.25)}, 2, 1, 1, 1, {"accuracy"}, significant=True)
    compared = [ComparisonRow(HOSTILE, "text_only", difference(5.38, 0.01), 0.02)]
    experiment = SimpleNamespace(name="50% & more", baseline_row="text_only")
    study = SimpleNamespace(
        experiment=experiment,
        metrics=["accuracy", "macro_f1"],
        split="test",
        synthetic=False,
        nested=False,
        over_folds=False,
    )
    groups = [("one modality", [first]), ("", [second])]
    return SimpleNamespace(study=study, rows=[first, second], groups=groups, compared=compared)


def test_the_tables(report: Any) -> None:
    lines = render_latex(report).splitlines()
    assert [line for line in lines if "rule" in line] == [
        *(r"\toprule", r"\midrule", r"\midrule", r"\bottomrule"),
        *(r"\toprule", r"\midrule", r"\bottomrule"),
    ]
    assert r" & accuracy & macro-F1 & runs \\" in lines
    assert r"\multicolumn{4}{l}{\textit{one modality}} \\" in lines
    assert r"text\_only & \underline{70.1} $\pm$ 0.5 & \textbf{69.0} & 2 \\" in lines
    (best,) = [line for line in lines if "75.5" in line]
    assert best.endswith(r" & \textbf{75.5}$^{\dagger}$ $\pm$ 1.2 & -- & 2 \\")
    assert any(line.startswith(r"\caption{50\% \& more. Scores of the test split.") for line in lines)
    assert any(r"$^{\dagger}$ differs from text\_only ($p < 0.05$, corrected after Holm)." in line for line in lines)
    assert r"\label{tab:50-more-differences}" in lines
    (tested,) = [line for line in lines if "5.4" in line]
    assert tested.endswith(r" $-$ text\_only & +5.4 & +4.4 to +6.4 & 0.010 & \textbf{0.020} \\")
    assert "\\input{/" not in "\n".join(lines)


def test_equal_figures_are_equally_good(report: Any) -> None:
    third = HeadlineRow("third", "", {"accuracy": mean(75.46, 1), "macro_f1": mean(68, 1)}, 2, 1, 1, 1)
    fourth = HeadlineRow("fourth", "", {"accuracy": mean(70.14, 1), "macro_f1": mean(67, 1)}, 2, 1, 1, 1)
    report.rows += [third, fourth]
    report.groups.append(("", [third, fourth]))
    lines = render_latex(report).splitlines()
    # As printed: 75.5 and 75.46, 70.12 and 70.14.
    assert r"third & \textbf{75.5} $\pm$ 1.0 & \underline{68.0} $\pm$ 1.0 & 2 \\" in lines
    assert r"fourth & \underline{70.1} $\pm$ 1.0 & 67.0 $\pm$ 1.0 & 2 \\" in lines
    assert sum(r"\textbf{75.5}" in line for line in lines) == 2
    assert sum(r"\underline{70.1}" in line for line in lines) == 2


@pytest.mark.parametrize(
    ("nested", "over_folds", "said"),
    [(False, False, "seeds"), (False, True, "folds"), (True, True, "folds, each the mean of its seeds")],
)
def test_what_the_deviation_is_over(report: Any, nested: bool, over_folds: bool, said: str) -> None:
    report.study.nested, report.study.over_folds = nested, over_folds
    assert f"Mean $\\pm$ standard deviation over {said}; the best mean" in render_latex(report)


def test_hyperparameters_in_names() -> None:
    assert tex('λ = 0.5, Δ ≥ 2 × "a"') == r"$\lambda$ = 0.5, $\Delta$ $\geq$ 2 $\times$ {\char34}a{\char34}"


def test_without_tests_there_is_one_table(report: Any) -> None:
    report.compared, report.rows[1].significant = [], False
    text = render_latex(report)
    assert text.count(r"\begin{table}") == 1
    assert "dagger" not in text


@given(st.text(st.sampled_from([*_ESCAPES, "a", "é", "\n", "\x07", "\u202e", " "]), max_size=30))
def test_a_text_stays_a_text(text: str) -> None:
    back = {escape: character for character, escape in _ESCAPES.items()}
    pattern = "|".join(re.escape(escape) for escape in sorted(back, key=len, reverse=True))
    left = re.sub(pattern, "", tex(text))
    assert not set(left) & set('\\{}$&#_%~^<>|`"[]*\n\x07\u202e')
    shown = re.sub(pattern, lambda found: back[found[0]], tex(text))
    assert shown == " ".join(re.sub("[\x07\u202e]", " ", text).split())


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_pdflatex_takes_it(report: Any, tmp_path: Path) -> None:
    (tmp_path / "tables.tex").write_text(render_latex(report), encoding="utf-8")
    page = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{tables}\end{document}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    subprocess.run(["pdflatex", "-halt-on-error", "-no-shell-escape", "page"], cwd=tmp_path, check=True, timeout=60)


def test_no_two_characters_become_another() -> None:
    assert tex("--a ,,b ''c - , ' –") == "-{}-a ,{},b '{}'c - , ' --"
