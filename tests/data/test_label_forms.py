"""Labels that are 1 here and "1" there: one class or two, and never in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

from clfa.data import Corpus, read_corpus
from clfa.data.concerns import data_concerns


def _said(corpus: Corpus) -> str:
    return "\n".join(entry for entry in data_concerns(corpus, {}) if "Write them alike" in entry)


def _table(path: Path, labels: list[Any]) -> str:
    rows = [{"text": f"post {n}", "label": label} for n, label in enumerate(labels)]
    if path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        book = openpyxl.Workbook()
        book.active.append(["text", "label"])  # type: ignore[union-attr]
        for row in rows:
            book.active.append(list(row.values()))  # type: ignore[union-attr]
        book.save(path)
    return str(path)


@pytest.mark.parametrize("form", ["t.jsonl", "t.xlsx", "frame"])
@pytest.mark.parametrize(
    ("labels", "names", "types", "said"),
    [
        ([0, 1, "1", 0], ("0", "1"), ("int", "str"), "'1' as a number ({}:row 2) and as a text ({}:row 3). Each"),
        ([2.5, "2.5", "x", "x"], ("2.5", "x"), None, "'2.5' as a number ({}:row 1) and as a text ({}:row 2)."),
        (["True", True, "x", "x"], ("True", "x"), None, "'True' as a text ({}:row 1) and as a truth value ({}:row 2)."),
        (
            [0, 1, 1, False],
            ("0", "1", "False"),
            ("int", "int", "bool"),
            "(False in {}:row 4) and numbers (0 in {}:row 1)",
        ),
        ([True, 0.0, 1.0, 1.0], ("0", "1", "True"), ("int", "int", "bool"), "(True in {}:row 1) and numbers (0 in {}"),
        ([0, 1, 1.0, "other"], ("0", "1", "other"), ("int", "int", "str"), ""),
        ([0.0, 1, None, "nan"], ("0", "1"), ("int", "int"), ""),
    ],
)
def test_labels_in_several_forms(
    tmp_path: Path, form: str, labels: list[Any], names: tuple[str, ...], types: Any, said: str
) -> None:
    table: Any = _table(tmp_path / form, labels) if form != "frame" else None
    source = table or "<data frame>"
    if table is None:
        texts = [f"post {n}" for n in range(len(labels))]
        table = pd.DataFrame({"text": texts, "label": pd.Series(labels, dtype=object)})
    corpus = read_corpus("table", table, as_split="train")
    assert corpus.label_names == list(names)
    assert corpus.targets[0].label_types == types
    assert said.replace("{}", source) in _said(corpus)
    assert bool(said) == bool(_said(corpus))


def test_numpy_truth_values_beside_numbers() -> None:
    """Arrow makes 1 of a truth value that stands behind a number."""
    labels = pd.Series([1, np.True_, 0, np.False_], dtype=object)
    corpus = read_corpus("table", pd.DataFrame({"text": list("abcd"), "label": labels}), as_split="train")
    assert corpus.label_names == ["0", "1", "False", "True"]
    assert "these are different classes, also True and 1" in _said(corpus)


def test_several_tables_and_targets(tmp_path: Path) -> None:
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    _table(train, [0, 1] * 3)
    _table(test, ["0", "1"])
    assert f"'0' as a number ({train}:row 1) and as a text ({test}:row 1)" in _said(read_corpus("table", tmp_path))
    test.unlink()
    # In a CSV file everything is a text.
    (tmp_path / "test.csv").write_text("text,label\na,0\nb,1\n")
    assert _said(read_corpus("table", {"train": str(train), "test": str(tmp_path / "test.csv")})) == ""
    targets = {"mood": {"column": "label", "problem_type": "multi_label_classification"}}
    data = pd.DataFrame({"text": list("abc"), "label": [[1, "a"], ["1"], "x"]})
    found = _said(read_corpus("table", data, targets=targets, as_split="train"))
    assert "Labels of target 'mood' are written in several forms: '1' as a number (<data frame>:row 1)" in found
