from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from clfa.data import load_image, read_corpus, validate
from clfa.data.export import write_dropped, write_parquet
from clfa.data.schema import Corpus, Dropped
from clfa.errors import ImageError
from clfa.tables.access import Access


def content(corpus: Corpus) -> dict[str, list[dict[str, object]]]:
    parts = {**corpus.splits, "unlabelled": corpus.unlabelled}
    return {
        name: [{**row, "image": row["image"] and load_image(row["image"]).tobytes()} for row in part]
        for name, part in parts.items()
    }


@pytest.mark.parametrize("embed", [False, True])
def test_round_trip_through_the_table_reader(make_corpus: Callable[..., Corpus], tmp_path: Path, embed: bool) -> None:
    corpus = make_corpus(unlabelled=3)
    assert write_parquet(corpus, tmp_path / "out" / "clean.parquet", embed_images=embed) == 19
    # The pictures are outside of the folder of the copy.
    back = read_corpus("table", tmp_path / "out" / "clean.parquet", access=Access(outside=True))
    # Not sorted: the order of the classes survives.
    assert back.label_names == corpus.label_names == ["plain", "odd"]
    assert content(back) == content(corpus)
    assert {name: split.features for name, split in back.splits.items()} == {
        name: split.features for name, split in corpus.splits.items()
    }
    assert validate(back).dropped == []


def test_file_and_pictures_move_together(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    write_parquet(make_corpus(), tmp_path / "clean.parquet")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "clean.parquet").rename(moved / "clean.parquet")
    (tmp_path / "pictures").rename(moved / "pictures")
    assert validate(read_corpus("table", moved / "clean.parquet")).dropped == []


def test_corpora_without_images_and_with_addresses(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = make_corpus(images=False)
    write_parquet(corpus, tmp_path / "x.parquet")
    assert not read_corpus("table", tmp_path / "x.parquet").has_images
    address = {"bytes": None, "path": "s3://bucket/a.jpg"}
    corpus.splits["train"] = corpus.splits["train"].map(lambda row: {"image": address})
    write_parquet(corpus, tmp_path / "y.parquet")
    back = read_corpus("table", tmp_path / "y.parquet", access=Access.of("s3"))
    assert back.splits["train"][0]["image"] == address


def test_nothing_half_written_is_left(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = make_corpus()
    Path(corpus.splits["test"][0]["image"]["path"]).unlink()
    (tmp_path / "out").mkdir()
    with pytest.raises(ImageError, match="image file not found"):
        write_parquet(corpus, tmp_path / "out" / "clean.parquet", embed_images=True)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("raw", "written"), [(False, "'=1"), (True, "=1")])
def test_dropped_samples_are_no_formulas(tmp_path: Path, raw: bool, written: str) -> None:
    write_dropped([Dropped("=1", "=1", "=1", "=1", "=1")], tmp_path / "dropped.csv", raw=raw)
    assert (tmp_path / "dropped.csv").read_text().splitlines()[1] == ",".join([written] * 5)


def test_write_dropped(tmp_path: Path) -> None:
    samples = [Dropped("1", "train", "a.txt:3", "cue word", 'irony, "joke"\nx'), Dropped("", "", "b", "bad line")]
    write_dropped(samples, tmp_path / "dropped.csv")
    with (tmp_path / "dropped.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["id", "split", "source", "reason", "detail"],
            ["1", "train", "a.txt:3", "cue word", 'irony, "joke"\nx'],
            ["", "", "b", "bad line", ""],
        ]
