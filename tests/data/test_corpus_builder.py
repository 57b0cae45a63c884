from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clfa.data.corpus_builder import CorpusBuilder
from clfa.errors import DataError
from clfa.targets.cells import UnusableCell
from clfa.targets.spec import parse_specs


def convert(row: Mapping[str, Any]) -> dict[str, Any]:
    if row["text"] == "bad":
        raise UnusableCell("bad row", "the text is bad")
    return {"id": row["id"], "text": row["text"], "image": None, "label": row["label"]}


def test_rows_are_kept_or_dropped_with_their_place(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("id,text,label\n1,one,x\n2,bad,y\n3,three,y,too many\n4,four,z\n5,five,y\n")
    test.write_text("id,text,label\n1,other,x\n")
    builder = CorpusBuilder("mine", label_names=["x", "y"])
    builder.add_table("train", train, ("id", "text", "label"), convert)
    builder.add_table("test", test, ("id", "text", "label"), convert)
    corpus = builder.build()
    assert corpus.label_names == ["x", "y"]
    assert {name: split["id"][:] for name, split in corpus.splits.items()} == {"train": ["1", "5"], "test": ["1"]}
    assert sorted((d.split, d.source.rpartition("/")[2], d.reason) for d in corpus.dropped) == [
        ("train", "train.csv:4", "bad line"),
        ("train", "train.csv:row 2", "bad row"),
        ("train", "train.csv:row 4", "unknown label"),
    ]
    assert corpus.facts == {"split": "published files", "lines": {"train": 5, "test": 1}}


def test_rows_without_a_split_are_drawn(tmp_path: Path) -> None:
    table = tmp_path / "all.csv"
    table.write_text("id,text,label\n" + "".join(f"{n},text {n},{'xy'[n % 2]}\n" for n in range(20)))
    builder = CorpusBuilder("mine", label_names=["x", "y"])
    builder.add_table(None, table, ("id",), convert)
    corpus = builder.build(ratios=(0.5, 0.25, 0.25), split_seed=3)
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 12, "validation": 4, "test": 4}
    assert corpus.facts == {"split": "stratified 0.5:0.25:0.25, seed 3", "lines": {"all": 20}}


def test_several_targets() -> None:
    targets = parse_specs(
        {
            "kind": {"label_names": ["x", "y"]},
            "tags": {"problem_type": "multi_label_classification", "columns": {"p": "is p", "q": "is q"}},
        }
    )
    builder = CorpusBuilder("mine", targets=targets)
    row = {"id": "1", "text": "one", "image": None, "kind": "y", "is p": 0, "is q": 1}
    builder.add_records("train", Path("file.txt"), [(7, row)], lambda record: record)
    assert builder.build().labels("train") == [{"kind": "y", "tags": ["q"]}]


def test_absent_columns_and_files_without_rows(tmp_path: Path) -> None:
    table = tmp_path / "train.csv"
    table.write_text("id,text\n1,bad\n")
    builder = CorpusBuilder("mine", label_names=["x", "y"])
    with pytest.raises(DataError, match=r"train\.csv: no column 'label', which mine has; columns there: id, text"):
        builder.add_table("train", table, ("id", "label"), convert)
    builder.add_table("train", table, ("id",), convert)
    with pytest.raises(DataError, match=r"mine: no usable row in train\.csv; the first reason: the text is bad"):
        builder.build()
