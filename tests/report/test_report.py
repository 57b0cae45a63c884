from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from clfa.errors import DataError, RecipeError
from clfa.report import words, write_report
from clfa.report.build import build
from clfa.report.content import ReportContent
from clfa.report.format import count, number, p_value, plus_minus
from clfa.report.published import TABLES, published_rows
from clfa.report.samples import change
from clfa.report.study import Study
from clfa.report.tables import comparisons, headline


@pytest.fixture(scope="module")
def pages(finished_experiment: Path) -> tuple[str, str]:
    page, markdown = write_report(finished_experiment)
    assert (page, markdown) == (finished_experiment / "report.html", finished_experiment / "report.md")
    return page.read_text(encoding="utf-8"), markdown.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def report(finished_experiment: Path) -> ReportContent:
    return build(Study.read(finished_experiment))


class Page(HTMLParser):
    """Tags in order, addresses, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.headings: list[str] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [str(value) for name, value in attrs if name in ("src", "href")]
        self.scripts += tag == "script"
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def test_the_page_is_whole_and_needs_nothing_else(pages: tuple[str, str]) -> None:
    page = Page(pages[0])
    assert page.open == []
    assert page.addresses
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert not re.search(r"@import|url\(|<link|<iframe", pages[0])
    assert page.headings == [
        "Results",
        "Differences in accuracy",
        "Differences from the best yardstick in accuracy",
        "Published, not rerun",
        "Learning curves",
        "Alignment",
        "Confusion matrices",
        "Confidence",
        *(heading for heading in page.headings if heading.startswith("Changed predictions")),
        "Warnings about the data",
        "Failed runs",
        "How to repeat it",
    ]
    assert any(heading.startswith("Changed predictions") for heading in page.headings)


def test_texts_names_and_errors_are_escaped(pages: tuple[str, str]) -> None:
    html, markdown = pages
    # The page's own and no other.
    assert Page(html).scripts == 1
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; | great &amp; bad" in html
    assert "<b>experiment" not in html
    assert "<i>" not in html
    assert "<here>" not in html
    assert "it broke &lt;here&gt;" in html
    assert "it broke &lt;here>" in markdown
    assert r"# tiny &lt;b>experiment&lt;/b> \[x\](javascript:x)" in markdown
    assert r"words &amp; more \| \`code\` \[x\](data:text/html,x)" in markdown


def test_samples_carry_small_pictures(pages: tuple[str, str], report: ReportContent) -> None:
    shown = [sample for one in report.changes for sample in (*one.gains, *one.losses)]
    assert shown
    assert all(sample.picture is not None and sample.picture.startswith("data:image/jpeg;base64,") for sample in shown)
    assert all(sample.text is not None and "<script>" in sample.text for sample in shown)


def test_headline_is_mean_and_deviation_of_the_runs(report: ReportContent, finished_experiment: Path) -> None:
    frame = pd.read_parquet(finished_experiment / "results.parquet")
    rows = {row.name: row for row in report.rows}
    assert list(rows) == ["text-only", "CLFA, alpha 0", "CLFA, guided"]
    assert [(name, len(members)) for name, members in report.groups] == [
        ("one modality", 1),
        ("both <i>", 2),
        ("yardsticks", 6),
    ]
    scores = 100 * frame.loc[frame["row"] == "CLFA, alpha 0", "test.accuracy"].astype(float)
    assert rows["CLFA, alpha 0"].scores["accuracy"].mean == pytest.approx(scores.mean())
    assert rows["CLFA, alpha 0"].scores["accuracy"].sd == pytest.approx(scores.std(ddof=1))
    assert (rows["CLFA, alpha 0"].runs, rows["CLFA, guided"].runs) == (2, 1)
    assert rows["CLFA, alpha 0"].parameters == frame["training.trained_parameters"].iloc[1]


def test_differences_are_paired_by_seed_and_only_over_common_ones(
    report: ReportContent, finished_experiment: Path
) -> None:
    frame = pd.read_parquet(finished_experiment / "results.parquet")
    by = {row: 100 * runs["test.accuracy"].astype(float).to_numpy() for row, runs in frame.groupby("row")}
    found = {(row.first, row.second): row for row in report.compared}
    assert list(found) == [
        ("CLFA, alpha 0", "text-only"),
        ("CLFA, guided", "text-only"),
        ("CLFA, guided", "CLFA, alpha 0"),
    ]
    first = found["CLFA, alpha 0", "text-only"]
    assert first.difference.mean == pytest.approx((by["CLFA, alpha 0"] - by["text-only"]).mean())
    assert first.difference.n == 2
    assert found["CLFA, guided", "text-only"].difference.n == 1
    # One share of the split: no folds, so the ordinary test, of the single p value that exists.
    expected = stats.ttest_rel(by["CLFA, alpha 0"], by["text-only"]).pvalue
    assert first.corrected_p == pytest.approx(expected, nan_ok=True)


def test_counts_of_changed_answers(report: ReportContent, finished_experiment: Path) -> None:
    study = Study.read(finished_experiment)
    found = change(study, "CLFA, alpha 0", "text-only", shown=3)
    assert found is not None
    expected = np.zeros((2, 2), int)
    ours, theirs = study.folders("CLFA, alpha 0"), study.folders("text-only")
    for key in ours:
        right = []
        for folder in (ours[key], theirs[key]):
            lines = [json.loads(line) for line in (folder / "predictions-test.jsonl").read_text().splitlines()]
            right.append([line["label"] == line["prediction"] for line in lines])
        for a, b in zip(*right, strict=True):
            expected[int(a), int(b)] += 1
    assert [[found.both_wrong, found.lost], [found.gained, found.both_right]] == expected.tolist()
    assert found.runs == 2
    assert expected.sum() == 32
    assert len(found.gains) <= 3
    assert found.where == "seed 1"
    for sample in found.gains:
        assert sample.after == sample.label != sample.before
    assert change(study, "CLFA, alpha 0", "nobody") is None


def test_pictures_may_be_gone(finished_experiment: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished_experiment, copy)
    for recipe in copy.glob("runs/*/recipe.yaml"):
        content = yaml.safe_load(recipe.read_text(encoding="utf-8"))
        content["data"]["dir"] = "/gone/posts.csv"
        recipe.write_text(yaml.safe_dump(content), encoding="utf-8")
    found = change(Study.read(finished_experiment), "CLFA, alpha 0", "text-only")
    assert found is not None
    assert found.note == ""
    study = Study.read(finished_experiment)
    study.directory = copy
    gone = change(study, "CLFA, alpha 0", "text-only")
    assert gone is not None
    assert "Texts and images are missing" in gone.note
    assert "/gone/posts.csv" in gone.note
    assert gone.gained == found.gained
    assert all(sample.text is None for sample in gone.gains)


@pytest.mark.parametrize(
    ("file", "place"),
    [("history.json", ""), ("metrics.json", ""), ("predictions-test.jsonl", " line 1")],
)
def test_damaged_files_of_a_run_are_named(finished_experiment: Path, file: str, place: str) -> None:
    study = Study.read(finished_experiment)
    damaged = next(iter(study.folders("text-only").values())) / file
    content = damaged.read_bytes()
    damaged.write_bytes(content[: content.index(b":") + 1])
    try:
        with pytest.raises(DataError) as error:
            build(study)
    finally:
        damaged.write_bytes(content)
    assert str(error.value).startswith(f"{damaged}{place} is damaged (")
    assert str(error.value).endswith(f"delete {damaged.parent} and run the experiment again.")


def test_markdown(pages: tuple[str, str], finished_experiment: Path) -> None:
    markdown = pages[1]
    assert (
        "Scores of the test split. No setting may be chosen from them. 5 of 6 runs (3 rows × 2 seeds), 1 failed."
        in (markdown)
    )
    assert "| row | accuracy | weighted F1 | macro-F1 | runs | seconds | memory GB | trainable |" in markdown
    assert "| *one modality* |" in markdown
    assert "## Published, not rerun" in markdown
    assert "| CLMLF | 75.33 | 73.46 |" in markdown
    assert "Paired t-test on accuracy over seeds." in markdown
    assert "Holm 1979" in markdown
    assert "SYNTHETIC" not in markdown
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in markdown.splitlines() if line.startswith("| CLFA, ")}
    assert len(widths) > 1, "several tables, each with its own width"


def test_another_metric_and_place_and_no_samples(finished_experiment: Path, tmp_path: Path) -> None:
    page, markdown, latex = write_report(
        finished_experiment, tmp_path / "p" / "x.html", metric="macro_f1", samples=False, latex=True
    )
    assert markdown == tmp_path / "p" / "x.md"
    assert r"\bottomrule" in latex.read_text(encoding="utf-8")
    assert "## Differences in macro-F1" in markdown.read_text(encoding="utf-8")
    assert "Changed predictions" not in page.read_text(encoding="utf-8")
    assert "alert(" not in page.read_text(encoding="utf-8")


def fold_study(finished_experiment: Path) -> Study:
    """Ten folds of figures made up for the test: guided is 2 ahead with little spread."""
    study = Study.read(finished_experiment)
    lines = []
    for fold in range(1, 11):
        for row, score in (("text-only", 0.70), ("CLFA, alpha 0", 0.701), ("CLFA, guided", 0.72)):
            noise = 0.001 * ((fold * 7 + len(row)) % 5)
            sizes = {"data.samples.train": 3200, "data.samples.test": 400}
            scores = {"test.accuracy": score + noise, "test.arousal.mae": 1 - score}
            lines.append({"row": row, "group": None, "fold": fold, "seed": 1, "status": "finished", **sizes, **scores})
    study.frame = pd.DataFrame(lines)
    study.metrics = ["accuracy", "arousal.mae"]
    return study


def test_over_folds_the_corrected_test_decides_what_is_bold(finished_experiment: Path) -> None:
    study = fold_study(finished_experiment)
    assert study.over_folds
    assert study.ratio == 0.125
    compared = comparisons(study)
    rows = {row.name: row for row in headline(study, compared)}
    a, b = (np.array(list(study.scores(row, "accuracy").values())) for row in ("CLFA, guided", "text-only"))
    d = 100 * (a - b)
    t = d.mean() / np.sqrt((1 / 10 + 0.125) * d.var(ddof=1))
    expected = 2 * stats.t.sf(abs(t), 9)
    found = {(row.first, row.second): row for row in compared}
    assert found["CLFA, guided", "text-only"].difference.p == pytest.approx(expected)
    assert rows["CLFA, guided"].significant
    assert not rows["CLFA, alpha 0"].significant
    assert rows["CLFA, guided"].best == {"accuracy", "arousal.mae"}, "less error is better"
    assert rows["CLFA, guided"].scores["arousal.mae"].mean == pytest.approx(0.28), "no percent"


def test_seeds_of_a_fold_count_once(finished_experiment: Path) -> None:
    study = Study.read(finished_experiment)
    scores = {
        "text-only": {(1, 1): 0.60, (1, 2): 0.62, (2, 1): 0.70, (2, 2): 0.70, (3, 1): 0.64, (3, 2): 0.66},
        "CLFA, guided": {(1, 1): 0.63, (1, 2): 0.65, (2, 1): 0.71, (2, 2): 0.73, (3, 1): 0.68, (3, 2): 0.70},
    }
    sizes = {"group": None, "status": "finished", "data.samples.train": 3200, "data.samples.test": 800}
    study.frame = pd.DataFrame(
        [
            {"row": row, "fold": fold, "seed": seed, "test.accuracy": score, **sizes}
            for row, runs in scores.items()
            for (fold, seed), score in runs.items()
        ]
    )
    study.metrics, study.experiment.compare = ["accuracy"], []
    assert study.nested
    (tested,) = comparisons(study)
    # Means of the folds: 61, 70, 65 and 64, 72, 69; differences 3, 2, 4: mean 3, variance 1. With 800 test and 3,200
    # training samples the standard error is sqrt(1/3 + 1/4) and t = 3.927922 on 2 degrees of freedom, for which
    # p = 1 - t / sqrt(2 + t^2).
    assert (tested.difference.n, tested.difference.ahead) == (3, 3)
    assert tested.difference.mean == pytest.approx(3)
    assert tested.difference.sd == pytest.approx(1)
    t = 3 / np.sqrt(1 / 3 + 1 / 4)
    assert tested.difference.p == pytest.approx(1 - t / np.sqrt(2 + t**2))
    rows = {row.name: row for row in headline(study, [tested])}
    plain = rows["text-only"]
    assert (plain.runs, plain.scores["accuracy"].n) == (6, 3)
    assert plain.scores["accuracy"].mean == pytest.approx(196 / 3)
    # Squared deviations of 61, 70 and 65 from 65 1/3: 18.7778, 21.7778 and 0.1111; half of their sum.
    assert plain.scores["accuracy"].sd == pytest.approx(np.sqrt(61 / 3))
    content = ReportContent(study, [], [tested], [], [])
    assert "the number of folds" in words.test_sentence(content, 1)
    assert "standard deviation over folds. The seeds of a fold" in words.headline_sentence(content)


def test_on_one_split_every_seed_counts(finished_experiment: Path) -> None:
    study = Study.read(finished_experiment)
    assert not study.nested
    assert study.units({(None, 1): 0.5, (None, 2): 0.7}) == [0.5, 0.7]
    content = ReportContent(study, [], [], [], [])
    assert "test and intervals are over seeds only" in words.test_sentence(content, 1)
    assert "standard deviation over runs" in words.headline_sentence(content)


def test_published_tables() -> None:
    assert len(TABLES["mmsd"]) == 14
    assert len(TABLES["mmsd2"]) == 12
    assert len(TABLES["mvsa-single"]) == 6
    best = max(TABLES["mmsd2"], key=lambda row: row.accuracy or 0)
    assert (best.method, best.accuracy, best.model_extra) == ("InterCLIP-MEP (T2V)", 86.72, {"binary_f1": 85.61})
    assert all(row.source for rows in TABLES.values() for row in rows)
    with pytest.raises(RecipeError, match=r"no table 'mvsa-singl'. Did you mean 'mvsa-single'"):
        published_rows("mvsa-singl")


def test_folders_without_an_experiment(finished_experiment: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no experiment.yaml; make it with `clfa experiment"):
        write_report(tmp_path)
    shutil.copy(finished_experiment / "experiment.yaml", tmp_path)
    with pytest.raises(DataError, match=r"no run in .* has finished yet"):
        write_report(tmp_path)
    with pytest.raises(DataError, match=r"has the metric 'acuracy'; there are: accuracy, weighted_f1, macro_f1"):
        write_report(finished_experiment, metric="acuracy")
    run = next((finished_experiment / "runs").glob("*/metrics.json")).parent
    with pytest.raises(DataError, match=r"It is the run of one training: its scores are in metrics\.json"):
        write_report(run)


def test_figures_as_text() -> None:
    assert (number(1234.56), number(float("nan")), number(0.5, 2, True), number(-0.5)) == (
        "1,234.6",
        "–",
        "+0.50",
        "−0.5",
    )
    assert (p_value(0.0004), p_value(0.04), p_value(float("nan"))) == ("< 0.001", "0.040", "–")
    assert plus_minus(71.25, 1.04) == "71.2 ± 1.0"
    assert plus_minus(3, float("nan")) == "3.0"
    assert (count(1234567), count(999), count(float("nan"))) == ("1.2 M", "999", "–")


@pytest.mark.parametrize("suffix", [".md", ".tex"])
def test_a_page_with_the_name_of_another_output(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(
        DataError, match=rf"r\{suffix}: the page is HTML, and a file with this suffix is written beside it"
    ):
        write_report(tmp_path, tmp_path / f"r{suffix}")
