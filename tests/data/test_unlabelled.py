from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import DatasetDict, concatenate_datasets

from clfa.data.readers.table import read
from clfa.data.replace_column import replace_column
from clfa.data.schema import Corpus
from clfa.data.unlabelled import add_unlabelled, without_evaluated
from clfa.data.validation import validate
from clfa.errors import DataError
from clfa.targets.target import label_matrix
from posts import make_posts, write_csv, write_jsonl


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    rows = make_posts(tmp_path, 32)
    rows[0]["label"] = ""
    return read(write_csv(tmp_path / "posts.csv", rows))


def test_tables_of_posts_join_the_rows_without_a_label(tmp_path: Path, corpus: Corpus) -> None:
    more = make_posts(tmp_path / "more", 5, with_split=False)
    csv = write_csv(tmp_path / "more" / "posts.csv", more)
    jsonl = write_jsonl(tmp_path / "more.jsonl", [{"Tweet": "no picture"}, {"Tweet": "nor here"}])
    found = add_unlabelled(corpus, [str(csv), str(jsonl)], {"knowledge": ["attributes", "ocr"]})
    assert found.unlabelled is not None
    assert found.unlabelled["id"][:] == [
        "p0",
        *(f"{csv}:p{number}" for number in range(5)),
        f"{jsonl}:1",
        f"{jsonl}:2",
    ]
    assert found.unlabelled["text"][1] == "what a bad red day 0"
    assert found.unlabelled[5]["image"]["path"] == str(tmp_path / "more" / "images" / "4.jpg")
    # The label column of a table is not read.
    assert found.unlabelled["targets"][:] == [None] * 8
    assert found.splits["train"]["id"][:] == corpus.splits["train"]["id"][:]
    # The ids differ from one another, so that validation drops only the posts without a picture.
    assert [sample.id for sample in validate(found).dropped] == [f"{jsonl}:1", f"{jsonl}:2"]


def test_the_readers_column_options_are_used(tmp_path: Path, corpus: Corpus) -> None:
    table = tmp_path / "dump.tsv"
    table.write_text("number|caption|words\n7|c|seven\n", encoding="utf-8")
    options = {"text": "words", "id": "number", "separator": "|", "label": "class"}
    found = add_unlabelled(corpus, [str(table)], options).unlabelled
    assert found is not None
    assert (found["id"][-1], found["text"][-1]) == (f"{table}:7", "seven")
    with pytest.raises(DataError, match=r"dump\.tsv: no column 'tweet' \(given as text"):
        add_unlabelled(corpus, [str(table)], {**options, "text": "tweet"})
    with pytest.raises(DataError, match=r"input file .*none\.csv does not exist"):
        add_unlabelled(corpus, [str(tmp_path / "none.csv")], {})


def test_contents_of_validation_and_test_are_left_out(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(train=4, validation=2, test=2, unlabelled=4)
    assert corpus.unlabelled is not None
    train, validation, test = (corpus.splits[name] for name in ("train", "validation", "test"))
    copies = [
        replace_column(validation.select([0]), "text", ["another text"]),
        replace_column(test.select([1]), "image", [corpus.unlabelled[0]["image"]]),
        train,
    ]
    copies[1] = replace_column(copies[1], "text", [f"  {test[1]['text'].upper()} "])
    pairs = concatenate_datasets([corpus.unlabelled, *copies])
    corpus.unlabelled = replace_column(pairs, "id", [f"u{number}" for number in range(len(pairs))])
    found = without_evaluated(corpus)
    assert found.unlabelled is not None
    assert found.unlabelled["id"][:] == ["u0", "u1", "u2", "u3", "u6", "u7", "u8", "u9"]
    assert [(sample.id, sample.split, sample.reason, sample.detail) for sample in found.dropped] == [
        ("u4", "", "evaluated content", "the image of this unlabelled post is also in the validation or test split"),
        ("u5", "", "evaluated content", "the text of this unlabelled post is also in the validation or test split"),
    ]
    assert found.dropped[0].source == validation[0]["image"]["path"]


def test_nothing_to_leave_out(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(unlabelled=3)
    assert without_evaluated(corpus) is corpus
    assert without_evaluated(make_corpus()).unlabelled is None
    corpus.splits = DatasetDict({"train": corpus.splits["train"]})
    assert without_evaluated(corpus) is corpus
    # Posts without text or picture are not equal to one another.
    bare = make_corpus(unlabelled=3, images=False)
    empty = {name: replace_column(split, "text", [""] * len(split)) for name, split in bare.splits.items()}
    assert bare.unlabelled is not None
    bare.splits = DatasetDict(empty)
    bare.unlabelled = replace_column(bare.unlabelled, "text", [""] * 3)
    assert without_evaluated(bare) is bare


def test_a_replaced_column_keeps_types_and_order(make_corpus: Callable[..., Corpus]) -> None:
    split = make_corpus().splits["train"]
    found = replace_column(split.select([3, 1]), "targets", [None, [1.0]])
    assert found.features == split.features
    assert found.column_names == split.column_names
    assert found["id"][:] == ["s3", "s1"]
    assert str(label_matrix(found).tolist()) == "[[nan], [1.0]]"
