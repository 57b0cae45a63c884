from __future__ import annotations

from pathlib import Path

import pytest

from clfa.data import read_corpus
from clfa.errors import DataError

ROWS = {
    "Training": 'a.png,"one, two",offensive\nb.jpg,three,Non-offensiv\nc.jpg,four,maybe\n/d.jpg,five,offensive\n',
    "Validation": "e.jpg,six,Non-offensive\n",
    "Testing": "f.jpg,seven,offensive\n",
}


@pytest.mark.parametrize(
    ("split", "images"), [("Split Dataset", "Labelled Images"), ("Split_Dataset", "img"), (".", ".")]
)
def test_splits_and_labels(tmp_path: Path, split: str, images: str) -> None:
    (tmp_path / split).mkdir(exist_ok=True)
    (tmp_path / images).mkdir(exist_ok=True)
    (tmp_path / images / "a.jpg").write_bytes(b"")
    for name, rows in ROWS.items():
        (tmp_path / split / f"{name}_meme_dataset.csv").write_text("image_name,sentence,label\n" + rows)
    given = {} if images == "Labelled Images" else {"images_dir": str(tmp_path / images)}
    corpus = read_corpus("multioff", tmp_path, **given)
    assert {
        name: list(zip(data["text"], corpus.labels(name), strict=True)) for name, data in corpus.splits.items()
    } == {
        "train": [("one, two", "offensive"), ("three", "non-offensive")],
        "validation": [("six", "non-offensive")],
        "test": [("seven", "offensive")],
    }
    paths = [image["path"] for image in corpus.splits["train"]["image"]]
    assert paths == [str((tmp_path / images).resolve() / name) for name in ("a.jpg", "b.jpg")]
    assert [(d.source, d.reason) for d in corpus.dropped] == [
        ("Training_meme_dataset.csv:row 3", "unknown label"),
        ("Training_meme_dataset.csv:row 4", "bad picture name"),
    ]
    assert corpus.facts["lines"] == {"train": 4, "validation": 1, "test": 1}


def test_wrong_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"multioff reader expects Split Dataset/ with Training_meme_dataset\.csv"):
        read_corpus("multioff", tmp_path)
