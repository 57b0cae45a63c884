from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from class_indices import class_indices
from clfa.data import read_corpus
from clfa.data.check import check_corpus
from clfa.errors import DataError

FILES = {
    "Train": "1_a.jpg\tA dog .\tmatch\n1_a.jpg\tA cat\non a\nmat .\tno-match\n1_a.jpg\tA dog .\tno-match\n",
    "Dev": "2_b.jpg\tA boat .\tno-match",
    "Test": "3_c.jpg\tA kite .\tmatch\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, content in FILES.items():
        (tmp_path / f"flickr8k.{split}Images.txt").write_text(content)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1_a.jpg").write_bytes(b"")
    return tmp_path


def test_sentences_may_have_line_breaks(root: Path) -> None:
    corpus = read_corpus("flickr8k-match", root)
    assert corpus.label_names == ["no-match", "match"]
    rows = {name: list(zip(split["text"], class_indices(split), strict=True)) for name, split in corpus.splits.items()}
    assert rows == {
        "train": [("A dog .", 1), ("A cat on a mat .", 0), ("A dog .", 0)],
        "validation": [("A boat .", 0)],
        "test": [("A kite .", 1)],
    }
    assert corpus.dropped == []
    assert corpus.facts == {"split": "published files", "lines": {"train": 3, "validation": 1, "test": 1}}
    assert corpus.splits["train"][0]["image"]["path"] == str(root.resolve() / "images" / "1_a.jpg")


def test_ids_are_unique_and_do_not_depend_on_row_or_label(root: Path) -> None:
    ids = read_corpus("flickr8k-match", root).splits["train"]["id"][:]
    assert ids == ["1_a-445a3818a542", "1_a-fde926495263", "1_a-445a3818a542-2"]
    lines = ["1_a.jpg\tA cat\non a\nmat .\tmatch", "1_a.jpg\tA dog .\tno-match"]
    (root / "flickr8k.TrainImages.txt").write_text("\n".join(lines))
    assert read_corpus("flickr8k-match", root).splits["train"]["id"][:] == [ids[1], ids[0]]


def test_bad_lines_are_dropped_and_the_next_line_is_whole(root: Path) -> None:
    lines = [
        "no fields",
        "1_a.jpg\tA dog .\tmatch",
        "",
        "1_a.jpg\tA cat .\tmaybe",
        "1_a.jpg\t\tmatch",
        "../x.jpg\tA hat .\tmatch",
        "1_a.jpg\tA man\tin a hat .\tmatch",
        "1_a.jpg\tcut off",
    ]
    (root / "flickr8k.TrainImages.txt").write_text("\n".join(lines))
    corpus = read_corpus("flickr8k-match", root)
    assert corpus.splits["train"]["text"][:] == ["A dog .", "A man in a hat ."]
    assert [(d.source.partition(":")[2], d.reason) for d in corpus.dropped] == [
        ("row 1", "bad line"),
        ("row 4", "bad line"),
        ("row 5", "bad line"),
        ("row 6", "bad picture name"),
        ("row 8", "bad line"),
    ]
    assert corpus.facts["lines"]["train"] == 7
    assert corpus.dropped[0].detail == "expected photo, sentence and match or no-match, got 'no fields'"


def test_missing_photos(root: Path) -> None:
    assert check_corpus("flickr8k-match", root, progress=False).dropped == {"missing image": 2, "unreadable image": 3}
    (root / "images" / "1_a.jpg").unlink()
    (root / "images").rmdir()
    assert not read_corpus("flickr8k-match", root).has_images


def test_wrong_layout(root: Path) -> None:
    (root / "flickr8k.DevImages.txt").unlink()
    with pytest.raises(DataError, match=r"flickr8k-match reader expects flickr8k\.TrainImages\.txt, .* images/; found"):
        read_corpus("flickr8k-match", root)
    with pytest.raises(DataError, match="Use the flickr8k-match reader"):
        read_corpus("harmeme", root)


@pytest.mark.real_data
def test_real_counts(real_data_dir: Path) -> None:
    corpus = read_corpus("flickr8k-match", real_data_dir / "flickr8k-match")
    assert {name: Counter(class_indices(split)) for name, split in corpus.splits.items()} == {
        "train": {0: 9693, 1: 9693},
        "validation": {0: 673, 1: 491},
        "test": {0: 877, 1: 284},
    }
    assert corpus.facts["lines"] == {"train": 19386, "validation": 1164, "test": 1161}
    assert corpus.dropped == []
    for split in corpus.splits.values():
        assert len(set(split["id"])) == len(split)
        assert all(Path(image["path"]).is_file() for image in split["image"])
