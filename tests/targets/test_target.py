from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

from clfa.data import read_corpus, subset
from clfa.data.check import check_corpus
from clfa.data.class_counts import absent_classes
from clfa.data.concerns import data_concerns
from clfa.data.export import write_parquet
from clfa.data.validation import check_classes, validate
from clfa.errors import DataError
from clfa.targets.target import (
    Target,
    check_distinct,
    from_dicts,
    label_matrix,
    label_slices,
    logit_slices,
    output_names,
    same_labels,
    strata,
)

NAN = math.nan
MULTI = {"problem_type": "multi_label_classification"}
NUMBER = {"problem_type": "regression"}


def frame(**columns: list[Any]) -> pd.DataFrame:
    size = len(next(iter(columns.values())))
    return pd.DataFrame({"id": [f"p{n}" for n in range(size)], "text": [f"post {n}" for n in range(size)], **columns})


def read(targets: dict[str, Any], **columns: list[Any]) -> Any:
    return read_corpus("table", frame(**columns), as_split="train", targets=targets)


def matrix(corpus: Any, split: str = "train") -> list[list[Any]]:
    return [[None if math.isnan(x) else x for x in row] for row in label_matrix(corpus.splits[split]).tolist()]


# Cells.


def test_several_targets_lie_in_one_vector() -> None:
    corpus = read(
        {"sarcasm": {}, "emotions": MULTI, "strength": {**NUMBER, "column": "value", "weight": 2}},
        sarcasm=["no", "yes", None, "yes"],
        emotions=["joy|anger", "| ", "awe", ""],
        value=["0.5", "-3", "1e2", None],
    )
    assert corpus.targets == [
        Target("sarcasm", label_names=("no", "yes")),
        Target("emotions", "multi_label_classification", ("anger", "awe", "joy")),
        Target("strength", "regression", weight=2),
    ]
    assert corpus.label_names == []
    assert matrix(corpus) == [
        [0, 1, 0, 1, 0.5],
        [1, 0, 0, 0, -3],
        [None, 0, 1, 0, 100],
        [1, None, None, None, None],
    ]
    assert corpus.dropped == []


def test_rows_without_any_target_are_unlabelled() -> None:
    corpus = read({"a": {}, "b": NUMBER}, a=["x", None, "y"], b=[1.0, None, None])
    assert corpus.splits["train"]["id"][:] == ["p0", "p2"]
    assert corpus.unlabelled["id"][:] == ["p1"]
    assert corpus.unlabelled["targets"][:] == [None]


def test_lists_and_other_delimiters() -> None:
    lists = read({"e": MULTI}, e=[["joy", "anger"], [], ["joy"], None])
    assert matrix(lists) == [[1, 1], [0, 0], [0, 1]]
    assert len(lists.unlabelled) == 1
    text = read({"e": {**MULTI, "delimiter": ", ", "label_names": ["joy", "anger"]}}, e=["Joy,  anger", "anger", ", "])
    assert matrix(text) == [[1, 1], [0, 1], [0, 0]]
    numbers = read({"e": MULTI}, e=[[2, 10], [10], [1]])
    assert numbers.targets[0].label_names == ("1", "2", "10")
    empty = read({"e": {**MULTI, "empty_is_none": True}}, e=["joy", None, ""])
    assert matrix(empty) == [[1], [0], [0]]


def test_lists_of_declared_classes() -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "tags": datasets.List(datasets.ClassLabel(names=["sad", "glad"]))}
    )
    table = datasets.Dataset.from_dict({"text": ["a", "b"], "tags": [[1], [0, 1]]}, features=features)
    corpus = read_corpus("table", table, as_split="train", targets={"tags": MULTI})
    assert corpus.targets[0].label_names == ("sad", "glad")
    assert matrix(corpus) == [[0, 1], [1, 1]]


def test_a_column_for_every_class() -> None:
    spec = {**MULTI, "columns": {"anger": "is_angry", "joy": "is_glad"}}
    corpus = read({"e": spec}, is_angry=[1, 0, None, 1, 2], is_glad=["True", "0", None, None, "no"])
    assert corpus.targets[0].label_names == ("anger", "joy")
    assert matrix(corpus) == [[1, 1], [0, 0]]
    assert len(corpus.unlabelled) == 1
    assert [(d.id, d.reason, d.detail) for d in corpus.dropped] == [
        ("p3", "unknown label", "e: column 'is_glad' is empty, but other columns are not"),
        ("p4", "unknown label", "e: column 'is_angry' holds 2.0, neither 0 nor 1"),
    ]
    filled = read({"e": {**spec, "empty_is_none": True}}, is_angry=[1, None], is_glad=[None, None])
    assert matrix(filled) == [[1, 0], [0, 0]]
    order = read({"e": {**spec, "label_names": ["joy", "anger"]}}, is_angry=[1], is_glad=[0])
    assert matrix(order) == [[0, 1]]


def test_cells_that_are_no_labels_are_counted_and_left_out() -> None:
    corpus = read(
        {"s": {"label_names": ["no", "yes"]}, "e": {**MULTI, "label_names": ["joy", "anger"]}, "v": NUMBER},
        s=["no", "maybe", "yes", "yes", "yes"],
        e=["joy", "joy", "joy|fear", "joy", "joy"],
        v=["1", "2", "3", "strong", "inf"],
    )
    assert corpus.splits["train"]["id"][:] == ["p0"]
    assert corpus.dropped_counts() == {"unknown label": 2, "not a number": 2}
    assert [d.detail for d in corpus.dropped] == [
        "s: 'maybe' is not one of no, yes",
        "e: 'fear' is not one of joy, anger",
        "v: 'strong' is not a finite number",
        "v: 'inf' is not a finite number",
    ]
    assert corpus.dropped[0].source == "<data frame>:row 2"


def test_the_shortcuts_column_is_found_by_its_usual_name() -> None:
    assert matrix(read({"label": NUMBER}, sentiment=[0.5, 2.0])) == [[0.5], [2.0]]
    with pytest.raises(DataError, match="no column 'label' for target 'label'; columns there: id, text, mood"):
        read({"label": NUMBER}, mood=[0.5, 2.0])


def test_hub_folders_take_targets(tmp_path: Path) -> None:
    frame(e=[["joy"], ["anger"]]).to_parquet(tmp_path / "train.parquet")
    corpus = read_corpus("hub", str(tmp_path), targets={"e": MULTI}, ratios=(1, 0, 0))
    assert matrix(corpus) == [[0, 1], [1, 0]]


# What cannot be.


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({"absent": {}}, "<data frame>: no column 'absent' for target 'absent'; columns there: id, text, a, b"),
        ({"a": {"column": "c"}}, "no column 'c' for target 'a'"),
        ({"a": {"columns": {"x": "c"}, **MULTI}}, "no column 'c' for target 'a'"),
        ({"a": {"colunm": "b"}}, "target 'a': colunm: Extra inputs are not permitted. Keys: column, columns, prob"),
        ({"a": {"columns": {"x": "a"}, "column": "a", **MULTI}}, "give either column or columns, not both"),
        ({"a": {"columns": {}, **MULTI}}, "columns is empty; name one column per class"),
        ({"a": {"columns": {"x": "a"}, "label_names": ["y"], **MULTI}}, r"label_names \(y\) and the keys of columns"),
        ({"a": {"label_names": ["y", "z"], **NUMBER}}, "a regression has no classes; leave label_names out"),
        ({"a": {"label_names": ["y"]}}, "a single-label target needs at least two classes"),
        ({"a": {"label_names": [False, True]}}, "YAML reads yes, no, true and false as booleans; put"),
        ({"a": {"label_names": ["y", "y"]}}, "target 'a': class 'y' occurs twice in label_names"),
        ({"../a": {"column": "a"}}, "target name '../a' cannot be used; names have up to 64 letters"),
        ({"b": MULTI}, "target 'b': no row has a label; name the column"),
    ],
)
def test_targets_that_cannot_be(targets: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(targets, a=["x", "y"], b=[None, None])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"problem_type": "ranking"}, "target 't': unknown problem type 'ranking'; known: single_label_class"),
        ({}, "target 't' has no classes; name them with label_names"),
        ({"problem_type": "regression", "label_names": ["a"]}, "target 't' is a regression and has no classes"),
        ({"problem_type": "regression", "sd": 0}, "sd 0 must not be negative, sd not 0"),
        ({"label_names": ["a", "b"], "weight": -1}, "weight -1 and sd 1.0 must not be negative"),
        ({"label_names": ["a", "b"], "class_weights": [1]}, "class_weights has 1 values for 2 classes"),
        (
            {"problem_type": "multi_label_classification", "label_names": ["a"], "thresholds": []},
            "thresholds has 0 values for 1 class",
        ),
    ],
)
def test_targets_check_their_values(values: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Target("t", **values)


def test_targets_are_a_mapping() -> None:
    with pytest.raises(DataError, match=r"targets must map names to column, .*; got \['a'\]"):
        read_corpus("table", frame(a=["x"]), targets=["a"])


def test_targets_of_one_name_cannot_be() -> None:
    number = Target("t", "regression")
    with pytest.raises(DataError, match="two targets are named 't'; use different names"):
        check_distinct([number, Target("u", "regression"), number])
    with pytest.raises(DataError, match="two targets are named 't'"):
        from_dicts([number.to_dict(), number.to_dict()])
    with pytest.raises(DataError, match=r"not a target: \{'nam': 't'\}; its keys are name, problem_type"):
        from_dicts([{"nam": "t"}])


# Whether they can be learnt.


def corpus_of(targets: dict[str, Any], validation: dict[str, list[Any]], **train: list[Any]) -> Any:
    parts = {"train": frame(**train), "validation": frame(**validation)}
    return read_corpus("table", parts, targets=targets)


@pytest.mark.parametrize(
    ("spec", "cells", "message"),
    [
        (NUMBER, [None, None], "no training sample has a label for target 't'"),
        (NUMBER, [2, 2], "target 't' is 2 in every training sample; there is nothing to learn"),
        ({"label_names": ["a", "b"]}, ["a", "a"], "no training sample of class 'b' of target 't'; add some, or leave"),
        ({}, ["a", "a"], "target 't' has only one class, 'a'; there is nothing to learn"),
        ({**MULTI, "label_names": ["a", "b"]}, ["a", "a"], "no training sample of class 'b' of target 't'; add some"),
    ],
)
def test_targets_without_training_samples(spec: Any, cells: list[Any], message: str) -> None:
    corpus = corpus_of({"t": spec, "other": {}}, {"t": cells, "other": ["x", "y"]}, t=cells, other=["x", "y"])
    with pytest.raises(DataError, match=message):
        check_classes(corpus)


def test_what_is_absent_from_validation_is_a_warning() -> None:
    corpus = corpus_of({"t": {}, "v": NUMBER}, {"t": ["a", "a"], "v": [None, None]}, t=["a", "b", "a"], v=[1, 2, None])
    check_classes(corpus)
    assert absent_classes(corpus, "validation") == {"t": ["b"]}
    found = "\n".join(data_concerns(corpus, {}))
    assert "No validation post has the class 'b' of target 't': scores on validation do not show how well it" in found
    assert "No validation post has a label of target 'v': it has no score on validation." in found


# Draws and checks of corpora with targets.


def test_splits_are_drawn_by_the_first_target() -> None:
    mood = ["a"] * 20 + ["b"] * 40 + [None] * 20
    corpus = read_corpus("table", frame(mood=mood, v=list(range(80))), targets={"mood": {}, "v": NUMBER})
    for split, size in (("train", 16), ("validation", 2), ("test", 2)):
        moods = label_matrix(corpus.splits[split])[:, 0]
        assert [int((moods == 0).sum()), int((moods == 1).sum()), int(np.isnan(moods).sum())] == [size, 2 * size, size]
    assert corpus.facts["split"] == "stratified by mood 0.8:0.1:0.1, seed 0"
    drawn = subset(corpus, 8)
    assert drawn.targets == corpus.targets
    moods = label_matrix(drawn.splits["train"])[:, 0]
    assert [int((moods == 0).sum()), int((moods == 1).sum()), int(np.isnan(moods).sum())] == [2, 4, 2]


def test_strata() -> None:
    corpus = read({"v": NUMBER}, v=[10.0, 20.0, 30.0, 40.0, 50.0])
    assert strata(corpus.splits["train"], corpus.targets) == [0, 1, 2, 3, 4]
    # joy: 3 posts, awe: 1; the rarest class of each post.
    corpus = read({"e": MULTI, "v": NUMBER}, e=["joy|awe", "joy", "joy", "|", None], v=[1, 1, 1, 1, 1])
    assert strata(corpus.splits["train"], corpus.targets) == [0, 1, 1, -1, None]


def test_validation_keeps_samples_with_targets() -> None:
    corpus = read({"v": NUMBER}, v=[1, 2, 3])
    assert validate(corpus).splits["train"]["id"][:] == ["p0", "p1", "p2"]
    assert validate(corpus).targets == corpus.targets


def test_counts_of_a_check() -> None:
    table = frame(s=["no", "yes", "no"], e=["joy|awe", "joy", None], v=[1, None, 2])
    targets = {"s": {}, "e": MULTI, "v": NUMBER}
    report = check_corpus("table", table, as_split="test", targets=targets)
    counts = {"s: no": 2, "s: yes": 1, "e: awe": 1, "e: joy": 2, "v: number": 2}
    assert report.splits["test"].classes == counts
    assert report.to_dict()["splits"]["test"]["classes"] == counts


def test_written_corpora_read_back_the_same(tmp_path: Path) -> None:
    targets = {"s": {}, "e": MULTI, "v": NUMBER}
    corpus = read(targets, s=["no", "yes", None, None], e=["joy|awe", "|", None, None], v=[1.5, None, 2, None])
    assert write_parquet(corpus, tmp_path / "posts.parquet") == 4
    again = read_corpus("table", tmp_path / "posts.parquet", targets=targets)
    assert again.targets == corpus.targets
    assert matrix(again) == matrix(corpus)
    assert len(again.unlabelled) == 1
    clash = read({"image": {"column": "s"}}, s=["no", "yes"])
    with pytest.raises(DataError, match="target 'image' has the name of another column of the file; rename"):
        write_parquet(clash, tmp_path / "other.parquet")


# The vector's parts.


def test_slices_and_names() -> None:
    targets = [
        Target("s", label_names=("no", "yes")),
        Target("e", "multi_label_classification", ("a", "b", "c")),
        Target("v", "regression"),
    ]
    assert [(t.name, s.start, s.stop) for t, s in label_slices(targets)] == [("s", 0, 1), ("e", 1, 4), ("v", 4, 5)]
    assert [(t.name, s.start, s.stop) for t, s in logit_slices(targets)] == [("s", 0, 2), ("e", 2, 5), ("v", 5, 6)]
    assert output_names(targets) == ["s: no", "s: yes", "e: a", "e: b", "e: c", "v"]
    assert output_names(targets[:1]) == ["no", "yes"]
    assert output_names(targets[2:]) == ["v"]
    assert from_dicts([target.to_dict() for target in targets]) == targets
    assert [t.describe(np.array(v)) for t, v in zip(targets, ([1.0], [0.0, 1.0, 1.0], [2.5]), strict=True)] == [
        "yes",
        ["b", "c"],
        2.5,
    ]
    assert targets[1].describe(np.array([NAN] * 3)) is None
    assert same_labels(targets, [*targets[:2], Target("v", "regression", mean=3)])
    assert not same_labels(targets, targets[:2])


def test_matrix_of_rows_without_labels() -> None:
    corpus = read({"a": {}, "e": {**MULTI, "label_names": ["x", "y"]}}, a=["p", "q", None], e=["x", None, None])
    assert label_matrix(corpus.splits["train"].select([])).shape == (0, 3)
    np.testing.assert_array_equal(label_matrix(corpus.unlabelled), [[NAN] * 3])


def test_matrix_of_the_default_label() -> None:
    corpus = read_corpus("table", frame(label=["b", "a", "b"]), as_split="train")
    assert label_matrix(corpus.splits["train"]).tolist() == [[1], [0], [1]]
    assert corpus.targets == [Target("label", label_names=("a", "b"))]
    assert corpus.labels("train") == ["b", "a", "b"]


def test_of_many_absent_classes_five_are_named() -> None:
    names = [f"c{number}" for number in range(9)]
    kind = Target("t", "single_label_classification", tuple(names)).kind
    found = kind.obstacle(np.zeros((3, 1)), "validation")
    assert found == "no validation sample of class 'c1', 'c2', 'c3', 'c4', 'c5', ... (8 classes) of target 't'"


MULTI_LABEL = {"problem_type": "multi_label_classification", "label_names": ["a", "b"]}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, True, "1", None, 10**400])
@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("weight", {"label_names": ["a", "b"]}),
        ("mean", {"problem_type": "regression"}),
        ("sd", {"problem_type": "regression"}),
        ("class_weights", {"label_names": ["a", "b"]}),
        ("thresholds", MULTI_LABEL),
    ],
)
def test_numbers_of_a_saved_target_are_finite(field: str, values: dict[str, Any], number: Any) -> None:
    own = [number, 1.0] if field in ("class_weights", "thresholds") else number
    with pytest.raises(DataError, match=f"target 't': {field} has .*; give finite numbers"):
        Target("t", **values, **{field: own})


@pytest.mark.parametrize("values", [{"samples": -1}, {"samples": 2.0}, {"samples": True}, {"temperature": True}])
def test_numbers_of_a_saved_calibration_are_checked(values: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"target 't': calibration: (samples|the temperature) is .*; it must be"):
        Target("t", label_names=("a", "b"), calibration=values)  # type: ignore[arg-type]
