"""Awkward values in every table format, through the reader of training, the predictor and files of predictions."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa import CLFAPredictor
from clfa.data import Corpus, read_corpus
from clfa.data.validation import validate
from clfa.errors import DataError
from clfa.tables.access import Access
from clfa.tables.missing import MISSING_TEXTS
from clfa.targets.label_names import LabelIndex
from clfa.targets.target import Target
from posts import make_posts, read_jsonl
from values.formats import FORMATS, TEXT, TYPED, _json_lines

# A label of each type for the two classes of the synthetic posts.
LABELS: dict[str, dict[str, Any]] = {
    "int": {"bad": 0, "good": 1},
    "bool": {"bad": False, "good": True},
    "float": {"bad": 0.5, "good": 1.5},
    "str": {"bad": "bad", "good": "good"},
}


def read(source: Any, **options: Any) -> Corpus:
    # The pictures are in a folder of their own.
    return validate(read_corpus("table", source, access=Access(outside=True), **options), progress=False)


def listed(corpus: Corpus) -> int:
    """Number of the rows that are kept or listed as left out."""
    kept = sum(map(len, corpus.splits.values())) + len(corpus.unlabelled or ())
    return kept + len(corpus.dropped)


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """32 posts with absolute paths of pictures."""
    folder = tmp_path_factory.mktemp("values")
    rows = make_posts(folder, 32, with_split=False)
    return [{**row, "image": str(folder / row["image"])} for row in rows]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("word", sorted(MISSING_TEXTS - {""}))
def test_words_for_missing_values_are_no_values(
    posts: list[dict[str, Any]], tmp_path: Path, form: str, word: str
) -> None:
    rows = [dict(row) for row in posts[:8]]
    for number, field in enumerate(("label", "text", "image", "id")):
        rows[number][field] = word
    corpus = read(FORMATS[form](rows, tmp_path), as_split="test")
    assert corpus.label_names == ["bad", "good"]
    assert corpus.unlabelled is not None
    assert corpus.unlabelled["id"][:] == ["p0"]
    assert [(sample.id, sample.reason) for sample in corpus.dropped] == [("p1", "empty text"), ("p2", "missing image")]
    assert corpus.splits["test"]["id"][:] == ["4", "p4", "p5", "p6", "p7"]
    assert corpus.dropped[1].detail == "the sample has no image"


@pytest.mark.parametrize("form", TYPED)
@pytest.mark.parametrize("value", [None, math.nan])
def test_missing_values_are_no_values(posts: list[dict[str, Any]], tmp_path: Path, form: str, value: Any) -> None:
    rows = [dict(row) for row in posts[:8]]
    for number, field in enumerate(("label", "text", "image", "id")):
        rows[number][field] = value if form in ("jsonl", "json", "frame", "dicts") else None
    corpus = read(FORMATS[form](rows, tmp_path), as_split="test")
    assert corpus.label_names == ["bad", "good"]
    assert corpus.unlabelled is not None
    assert corpus.unlabelled["id"][:] == ["p0"]
    assert corpus.dropped_counts() == {"empty text": 1, "missing image": 1}
    assert corpus.splits["test"]["id"][:] == ["4", "p4", "p5", "p6", "p7"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", LABELS)
def test_labels_keep_their_type(posts: list[dict[str, Any]], tmp_path: Path, form: str, kind: str) -> None:
    rows = [{**row, "label": LABELS[kind][row["label"]]} for row in posts[:4]]
    corpus = read_corpus("table", FORMATS[form](rows, tmp_path), as_split="test")
    expected = [str(row["label"]) if form in TEXT else row["label"] for row in rows]
    found = corpus.labels("test")
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


@pytest.mark.parametrize("form", FORMATS)
def test_whole_numbers_are_one_class(posts: list[dict[str, Any]], tmp_path: Path, form: str) -> None:
    rows = [{**row, "label": label} for row, label in zip(posts, [1, 1.0, 0, 0.0], strict=False)]
    corpus = read_corpus("table", FORMATS[form](rows, tmp_path), as_split="test")
    assert corpus.label_names == ["0", "1"]
    # A test file may have the same labels in the other form.
    later = read_corpus("table", pd.DataFrame(rows).astype(str), as_split="test", label_names=["0", "1"])
    assert later.labels("test") == ["1", "1", "0", "0"]


@pytest.mark.parametrize("form", FORMATS)
def test_lists_are_no_classes(posts: list[dict[str, Any]], tmp_path: Path, form: str) -> None:
    table = FORMATS[form]([{**row, "label": [row["label"], "post"]} for row in posts[:4]], tmp_path)
    with pytest.raises(DataError, match=r"the label column holds lists or objects, for instance .* a label is one"):
        read_corpus("table", table)
    several = read_corpus(
        "table", table, as_split="test", targets={"label": {"problem_type": "multi_label_classification"}}
    )
    assert several.labels("test") == [["bad", "post"], ["good", "post"]] * 2


def test_labels_of_bytes_are_texts(posts: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = [{**row, "label": row["label"].encode()} for row in posts[:4]]
    rows[3]["label"] = b"nan"
    for form in ("parquet", "frame", "dataset", "dicts"):
        corpus = read_corpus("table", FORMATS[form](rows, tmp_path), as_split="test")
        assert corpus.labels("test") == ["bad", "good", "bad"]


def test_one_list_among_labels_is_a_fault_of_its_row(posts: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = [*posts[:3], {**posts[3], "label": ["bad"]}]
    for form in ("jsonl", "dicts"):
        corpus = read(FORMATS[form](rows, tmp_path), as_split="test")
        assert corpus.dropped_counts() == {"unknown label": 1}
        assert listed(corpus) == 4


def test_a_class_may_have_the_name_of_a_missing_value(posts: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = [{**row, "label": {"bad": "None", "good": "some"}[row["label"]]} for row in posts[:4]]
    for form in FORMATS:
        corpus = read_corpus("table", FORMATS[form](rows, tmp_path), as_split="test", label_names=["None", "some"])
        assert corpus.labels("test") == ["None", "some"] * 2


def test_class_names_of_a_data_set(posts: list[dict[str, Any]]) -> None:
    data = Dataset.from_list(posts[:4]).cast_column("label", ClassLabel(names=["bad", "good"]))
    corpus = read(data.with_format("torch"), as_split="test")
    assert corpus.labels("test") == ["bad", "good"] * 2


@pytest.mark.parametrize("form", ["frame", "dicts"])
def test_unused_columns_and_odd_cells_do_no_harm(posts: list[dict[str, Any]], tmp_path: Path, form: str) -> None:
    odd = [object(), {"a": 1}, np.zeros((2, 2)), 2**70, 1 + 2j, "\ud83d", b"\xff\x00\x01", pd.Timestamp(2020, 1, 1)]
    rows = [{**row, "junk": cell} for row, cell in zip(posts, odd, strict=False)]
    rows[0]["text"] = "half an emoji \ud83d"
    rows[1]["text"] = b"\x00\x01\x02\xff"
    rows[2]["text"] = 5
    rows[3]["image"] = f"{rows[3]['image']}\x00"
    rows[4]["image"] = "\x00"
    table = pd.DataFrame(rows, dtype=object) if form == "frame" else rows
    corpus = read(table, as_split="test")
    assert listed(corpus) == len(odd)
    texts = dict(zip(corpus.splits["test"]["id"][:], corpus.splits["test"]["text"][:], strict=True))
    assert (texts["p0"], texts["p2"]) == ("half an emoji", "5")
    assert ("p1", "empty text") in [(sample.id, sample.reason) for sample in corpus.dropped]


def test_the_order_of_classes_does_not_depend_on_the_hash_seed() -> None:
    names = "LabelIndex(['nan', 2, 'b', '-1', 10.0, 'inf', 'a']).names"
    code = f"from clfa.targets.label_names import LabelIndex; print({names})"
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    ]
    assert found == ["['-1', '2', '10', 'a', 'b', 'inf']\n"] * 3


@pytest.mark.parametrize("form", ["jsonl", "json", "frame", "dicts"])
def test_labels_of_mixed_types_keep_them(posts: list[dict[str, Any]], tmp_path: Path, form: str) -> None:
    labels = [1, "b", 0.5, True, 1.0, "a"]
    rows = [{**row, "label": label} for row, label in zip(posts, labels, strict=False)]
    corpus = read_corpus("table", FORMATS[form](rows, tmp_path), as_split="test")
    assert corpus.label_names == ["0.5", "1", "True", "a", "b"]
    found = corpus.labels("test")
    assert found == labels
    assert list(map(type, found)) == [int, str, float, bool, int, str]


# The predictor.


@pytest.fixture(scope="module")
def predictors(
    posts: list[dict[str, Any]], tiny_overrides: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, CLFAPredictor]:
    """A trained predictor by type of its labels: of a data frame, saved and loaded again."""
    found = {}
    for kind in ("int", "bool"):
        folder = tmp_path_factory.mktemp(kind)
        frame = pd.DataFrame(posts).assign(label=[LABELS[kind][row["label"]] for row in posts])
        predictor = CLFAPredictor(
            path=folder / "run",
            image_root=Path(posts[0]["image"]).parent,
            overrides=[*tiny_overrides, "guide={name: none}", "training.epochs=1"],
        )
        predictor.fit(frame[:24], validation=frame[24:])
        found[kind] = CLFAPredictor.load(predictor.save(folder / "saved"))
    return found


@pytest.mark.parametrize("kind", ["int", "bool"])
def test_predictions_have_the_type_of_the_labels(
    predictors: dict[str, CLFAPredictor], posts: list[dict[str, Any]], tmp_path: Path, kind: str
) -> None:
    predictor, expected = predictors[kind], type(LABELS[kind]["bad"])
    answers = [predictor.predict(FORMATS[form](posts[:6], tmp_path)) for form in FORMATS]
    assert all(answer == answers[0] for answer in answers)
    assert {type(label) for label in answers[0]} == {expected}
    assert predictor.label_names == [str(label) for label in LABELS[kind].values()]
    for suffix in ("jsonl", "csv", "parquet"):
        predictor.predict_file(_json_lines(posts[:6], tmp_path), tmp_path / f"out.{suffix}")
    assert [record["prediction"] for record in read_jsonl(tmp_path / "out.jsonl")] == answers[0]
    assert pd.read_csv(tmp_path / "out.csv")["prediction"].tolist() == answers[0]
    assert pq.read_table(tmp_path / "out.parquet")["prediction"].to_pylist() == answers[0]
    lines = read_jsonl(predictor.path / "predictions-validation.jsonl")
    assert {type(line["label"]) for line in lines} | {type(line["prediction"]) for line in lines} == {expected}
    labelled = [{**row, "label": LABELS[kind][row["label"]]} for row in posts[:6]]
    # The same labels in any format are those of the model.
    assert predictor.evaluate(FORMATS["csv"](labelled, tmp_path))["samples"] == 6


def test_probabilities_keep_the_index_of_a_frame(
    predictors: dict[str, CLFAPredictor], posts: list[dict[str, Any]]
) -> None:
    frame = pd.DataFrame(posts)
    whole, mixed = predictors["int"].predict_proba(frame), frame.sample(frac=1, random_state=3)
    found = predictors["int"].predict_proba(mixed)
    assert found.index.equals(mixed.index)
    pd.testing.assert_frame_equal(found.sort_index(), whole, atol=1e-4)
    assert predictors["int"].predict_proba(posts).index.tolist() == list(range(32))


def test_failed_posts_are_reported_once(
    predictors: dict[str, CLFAPredictor], posts: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    rows = [dict(row) for row in posts[:4]]
    rows[1]["text"], rows[3]["image"] = "nan", None
    predictor = predictors["int"]
    with caplog.at_level(logging.WARNING):
        assert [label is None for label in predictor.predict(rows)] == [False, True, False, True]
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "2 of 4 posts have no prediction (empty text: 1, missing image: 1). The first: row 2: empty text; row 4: "
    )
    for method in (predictor.predict, predictor.predict_proba, predictor.embed, predictor.predictions):
        with pytest.raises(DataError, match=r"^2 of 4 posts have no prediction"):
            method(rows, errors="raise")
    with pytest.raises(DataError, match=r"errors is 'ignore'; choose one of warn, raise"):
        predictor.predict(rows, errors="ignore")  # type: ignore[arg-type]
    caplog.clear()
    predictor.predict(posts[:2], errors="raise")
    assert not caplog.records


def test_rows_that_are_not_evaluated_are_reported(
    predictors: dict[str, CLFAPredictor], posts: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{**row, "label": LABELS["int"][row["label"]]} for row in posts[:6]]
    rows[1]["text"], rows[3]["label"] = "nan", 7
    with caplog.at_level(logging.WARNING):
        assert predictors["int"].evaluate(rows)["samples"] == 4
    expected = (
        r"2 rows are not evaluated \(unknown label: 1, empty text: 1\). The first: <data frame>:row 4: '7' is not one"
    )
    assert [record for record in caplog.records if re.search(expected, record.getMessage())]
    with pytest.raises(DataError, match=r"the text is empty|2 rows are not evaluated"):
        predictors["int"].evaluate(rows, errors="raise")
    rows[1]["text"] = "good"
    with pytest.raises(DataError, match="1 rows are not evaluated"):
        predictors["int"].evaluate(rows, errors="raise")


def test_numbers_as_texts_are_read_as_in_training(
    predictors: dict[str, CLFAPredictor], posts: list[dict[str, Any]]
) -> None:
    rows = [{**posts[0], "text": text} for text in (5, 5.0, np.float32(5), "5")]
    answers = predictors["int"].predict_proba(pd.DataFrame(rows, dtype=object)).to_numpy()
    np.testing.assert_allclose(answers, answers[[0] * 4], atol=1e-6)


# Properties.

_CELLS = st.text(st.characters(exclude_categories=()), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(st.tuples(_CELLS, _CELLS, _CELLS), min_size=1, max_size=12), suffix=st.sampled_from([".csv", ".tsv"])
)
def test_every_line_is_kept_or_listed(lines: list[tuple[str, ...]], suffix: str) -> None:
    """Whatever the cells hold, each line of the file belongs to one row that is kept or listed."""
    import tempfile

    separator = "," if suffix == ".csv" else "\t"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"posts{suffix}"
        body = "".join(separator.join(cells) + "\n" for cells in [("id", "text", "label"), *lines])
        content = body.encode("utf-8", "surrogatepass")
        path.write_bytes(content)
        from clfa.tables.rows import open_rows

        table = open_rows(path)
        rows = list(table)
        # Blank lines are no rows; lines end with a line feed here.
        physical = content.decode("utf-8", "surrogatepass").split("\n")[1:]
        blank = sum(not line.strip("\x00\r").strip() for line in physical)
        assert sum(row.lines if row.error is None else 1 for row in rows) >= len(physical) - blank - 1
        part = read_corpus("table", str(path), as_split="train", label_names=["a", "b"])
        assert listed(part) == len(rows)


@given(st.lists(st.one_of(st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text())))
def test_labels_round_trip(values: list[Any]) -> None:
    """A label is predicted as the value that it is in the table, unless two types have the same name."""
    values = [value for value in values if not isinstance(value, str) or (value.strip() == value and value)]
    try:
        index = LabelIndex(values)
    except DataError:
        return
    target = Target("label", label_names=tuple(index.names), label_types=index.types)
    named: dict[int, set[type]] = {}
    for value in values:
        place = index.of(value)
        if place is not None:
            whole = isinstance(value, float) and value.is_integer()
            named.setdefault(place, set()).add(int if whole else type(value))
    for value in values:
        place = index.of(value)
        if place is not None and len(named[place]) == 1:
            label = target.labels[place]
            assert label == value or (isinstance(value, str) and label == index.names[place])
            assert type(label) in named[place]
    assert json.loads(json.dumps(target.to_dict()))["label_names"] == index.names
