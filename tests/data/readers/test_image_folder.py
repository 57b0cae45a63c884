from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from class_indices import class_indices
from clfa.data import read_corpus, validate
from clfa.errors import DataError


def put(path: Path, text: str | bytes | None = "a post") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (3, 3), (len(path.name), 0, 0)).save(path)
    if isinstance(text, str):
        text = text.encode()
    if text is not None:
        path.with_suffix(".txt").write_bytes(text)


def test_class_folders_with_texts(tmp_path: Path) -> None:
    for label in ("good", "bad"):
        for n in range(10):
            put(tmp_path / label / f"{n}.png", f"{label} {n}")
    corpus = read_corpus("image-folder", tmp_path, name="mine")
    assert corpus.name == "mine"
    assert corpus.label_names == ["bad", "good"]
    assert {name: len(split) for name, split in corpus.splits.items()} == {"train": 16, "validation": 2, "test": 2}
    sample = next(row for split in corpus.splits.values() for row in split if row["id"] == "good/3")
    assert (sample["text"], sample["targets"][0]) == ("good 3", 1)
    assert sample["image"] == {"bytes": None, "path": str(tmp_path / "good" / "3.png")}
    assert validate(corpus).dropped == []


def test_split_folders_any_encoding_and_missing_texts(tmp_path: Path) -> None:
    put(tmp_path / "train" / "a" / "1.png", "“café”".encode("gb18030"))
    put(tmp_path / "train" / "b" / "2.jpg", None)
    put(tmp_path / "train" / "b" / "3.jpg", bytes(range(1, 9)) * 40)
    put(tmp_path / "val" / "a" / "1.png")
    put(tmp_path / "test" / "b" / "1.png")
    corpus = read_corpus("image-folder", tmp_path, label_names=["b", "a"])
    assert corpus.splits["train"][0]["text"] == "“café”"
    assert {name: split["id"][:] for name, split in corpus.splits.items()} == {
        "train": ["train/a/1"],
        "validation": ["val/a/1"],
        "test": ["test/b/1"],
    }
    assert class_indices(corpus.splits["train"]) == [1]
    assert [(d.id, d.split, d.reason, d.source) for d in corpus.dropped] == [
        ("train/b/2", "train", "missing text", "train/b/2.txt"),
        ("train/b/3", "train", "undecodable text", "train/b/3.txt"),
    ]


def test_metadata_file(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        put(tmp_path / split / "1.png", None)
        (tmp_path / split / "metadata.csv").write_text(f"file_name,text,label\n1.png,{split} post,x\n")
    corpus = read_corpus("image-folder", tmp_path)
    assert corpus.splits["test"][0] == {
        "id": "1",
        "text": "test post",
        "image": {"bytes": None, "path": str(tmp_path / "test" / "1.png")},
        "knowledge": None,
        "targets": [0],
    }
    assert validate(corpus).dropped == []


def test_metadata_in_json_lines_without_splits(tmp_path: Path) -> None:
    put(tmp_path / "1.png", None)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "1.png", "text": "hi", "label": "x"}\n')
    corpus = read_corpus("image-folder", tmp_path)
    assert corpus.splits["train"]["text"][:] == ["hi"]


def test_wrong_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expects class folders .* found nothing: the directory is empty"):
        read_corpus("image-folder", tmp_path)
    with pytest.raises(DataError, match="no such file or directory"):
        read_corpus("image-folder", tmp_path / "gone")
    (tmp_path / "train.csv").write_text("text,label\na,b\n")
    with pytest.raises(DataError, match=r"found train\.csv\. Use the table reader"):
        read_corpus("image-folder", tmp_path)
