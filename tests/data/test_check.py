from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from shutil import copyfile

import pandas as pd
import pytest
from rich.console import Console

from clfa.data.check import Verdict, check_corpus
from clfa.data.check_view import render
from clfa.data.duplicates import find_duplicates
from clfa.data.published import PUBLISHED
from clfa.data.schema import Corpus
from clfa.errors import DataError


def shown(report: object) -> str:
    console = Console(width=200, file=StringIO())
    console.print(render(report))  # type: ignore[arg-type]
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_published_classes_add_up() -> None:
    for published in PUBLISHED.values():
        for part, classes in published.classes.items():
            assert sum(classes.values()) == published.kept[part]


def test_verdicts_read_well() -> None:
    assert str(Verdict("samples", 4511, 4511)) == "samples: 4,511, as published: reproduced"
    assert str(Verdict("samples", 4511, 4000, "this copy is incomplete")) == (
        "samples: 4,000 of 4,511 published: differs by -511: this copy is incomplete"
    )


def test_incomplete_mmsd(mmsd_dir: Path) -> None:
    report = check_corpus("mmsd", mmsd_dir, knowledge="attributes")
    train = report.splits["train"]
    assert (train.lines, train.kept, train.published, train.images, train.knowledge) == (4, 2, 19816, 0, 2)
    assert train.classes == {"not_sarcastic": 1, "sarcastic": 1}
    assert train.words == {"mean": 3.0, "median": 3.0, "95 %": 3.0, "largest": 3}
    verdicts = {verdict.what: verdict for verdict in report.verdicts}
    assert not verdicts["train lines"].reproduced
    assert verdicts["train lines"].reason == "this copy is incomplete"
    assert verdicts["train samples"].reason == (
        "this copy is incomplete, 29,036 of 29,040 lines are absent; 1 left out: cue word; 1 left out: bad line"
    )
    assert verdicts["train sarcastic"].reason == "follows from the number of samples"
    assert report.dropped == {"cue word": 2, "bad line": 1, "bad knowledge line": 1}
    text = shown(report)
    assert "! train samples: 2 of 19,816 published: differs by -19,814" in text
    assert "cue word" in text


def test_unfiltered_mmsd_has_more_than_published(mmsd_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    small = replace(PUBLISHED["mmsd"], kept={"train": 2}, classes={"train": {"sarcastic": 2}}, lines={"train": 4})
    monkeypatch.setitem(PUBLISHED, "mmsd", small)
    verdicts = {v.what: v for v in check_corpus("mmsd", mmsd_dir, filter_cues=False).verdicts}
    assert verdicts["train lines"].reproduced
    assert verdicts["train samples"].reason == "more than published: unfiltered, or another release?"
    verdicts = {v.what: v for v in check_corpus("mmsd", mmsd_dir).verdicts}
    assert verdicts["train samples"].reproduced
    assert verdicts["train sarcastic"].reason == "labels differ; is it another release?"


def test_mvsa_counts_over_all_splits(make_mvsa: Callable[..., Path]) -> None:
    votes = {str(n): ["positive,positive"] for n in range(20)} | {"20": ["positive,negative"]}
    report = check_corpus("mvsa-single", make_mvsa(votes))
    samples = next(verdict for verdict in report.verdicts if verdict.what == "samples")
    assert samples.found == 20
    assert "4,848 of 4,869 lines are absent; pairs without a usable label: 1" in samples.reason
    assert report.unlabelled == 1
    assert "text encodings: gb18030 21" in shown(report)


def test_unknown_data_sets_have_no_verdicts(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(images=False)
    report = check_corpus("table", corpus.splits["train"].add_column("label", corpus.labels("train")))
    assert report.verdicts == []
    assert "literature" not in shown(report)


def test_report_is_json(mmsd_dir: Path) -> None:
    report = json.loads(json.dumps(check_corpus("mmsd", mmsd_dir).to_dict()))
    assert report["splits"]["train"]["kept"] == 2
    assert report["dropped_counts"] == {"cue word": 2, "bad line": 1}
    assert [sample["id"] for sample in report["dropped"]] == ["2", "", "5"]
    assert report["verdicts"][0]["reproduced"] is False


def test_duplicates_within_and_across_splits(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(train=4, validation=2, test=2)
    paths = {name: [row["image"]["path"] for row in split] for name, split in corpus.splits.items()}
    copyfile(paths["train"][0], paths["train"][1])
    copyfile(paths["train"][2], paths["test"][0])
    copyfile(paths["train"][0], paths["validation"][1])
    train_texts, test_texts = ["a", "b", "Same", "d"], ["same", "D"]
    corpus.splits["train"] = corpus.splits["train"].remove_columns("text").add_column("text", train_texts)
    corpus.splits["test"] = corpus.splits["test"].remove_columns("text").add_column("text", test_texts)
    both, image, text = find_duplicates(corpus.splits, images=True)
    assert (both.kind, both.groups, both.samples, both.across, both.leaked) == (
        "text and image",
        1,
        2,
        1,
        {"validation": 0, "test": 1},
    )
    assert both.examples == [["train:s2", "test:s6"]]
    assert (image.kind, image.groups, image.samples, image.across) == ("image", 2, 5, 2)
    assert image.leaked == {"validation": 1, "test": 1}
    assert (text.kind, text.groups, text.samples, text.leaked) == ("text", 2, 4, {"validation": 0, "test": 2})
    assert [duplicates.kind for duplicates in find_duplicates(corpus.splits, images=False)] == ["text"]


def test_duplicates_in_a_report_and_strict(tmp_path: Path) -> None:
    data = pd.DataFrame({"text": ["a", "a", ""], "label": ["x", "y", "x"], "split": ["train", "test", "test"]})
    report = check_corpus("table", data)
    assert report.duplicates[0].leaked["test"] == 1
    assert "Duplicates" in shown(report)
    with pytest.raises(DataError, match="empty text"):
        check_corpus("table", data, strict=True)


@pytest.mark.real_data
@pytest.mark.parametrize("reader", ["mmsd", "mmsd2"])
def test_real_mmsd_is_reproduced(real_data_dir: Path, reader: str) -> None:
    report = check_corpus(reader, real_data_dir / "mmsd")
    assert len(report.verdicts) == 12
    assert all(verdict.reproduced for verdict in report.verdicts)


@pytest.mark.real_data
@pytest.mark.slow
def test_real_mvsa_single_is_incomplete_by_511(real_data_dir: Path) -> None:
    report = check_corpus("mvsa-single", real_data_dir / "mvsa-single", progress=False)
    samples = next(verdict for verdict in report.verdicts if verdict.what == "samples")
    assert (samples.found, samples.published) == (4000, 4511)
    assert report.unlabelled == 358
    assert report.dropped == {}
    assert {found.kind: (found.groups, found.samples) for found in report.duplicates} == {
        "text and image": (19, 38),
        "image": (31, 63),
        "text": (122, 269),
    }
