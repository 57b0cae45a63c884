from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from clfa.data import read_corpus
from clfa.data.check import check_corpus
from clfa.errors import DataError

ROWS: dict[str, list[dict[str, Any]]] = {
    "train": [
        {"id": "m_1", "image": "m_1.png", "labels": ["not harmful"], "text": "one\nline "},
        {"id": "m_2", "image": "m_2.png", "labels": ["somewhat harmful", "society"], "text": "two"},
        {"id": "m_3", "image": "m_3.png", "labels": ["very harmful", "individual"], "text": "three"},
    ],
    "val": [{"id": "m_4", "image": "m_4.png", "labels": ["not harmful"], "text": "four"}],
    "test": [{"id": "m_5", "image": "m_5.png", "labels": ["very harmful", "community"], "text": "five"}],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "m_1.jpg").write_bytes(b"")
    for name, rows in ROWS.items():
        write(tmp_path, name, rows)
    return tmp_path


def write(root: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (root / "annotations" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("reader", ["harmeme", "harmeme-politics"])
def test_two_classes(root: Path, reader: str) -> None:
    corpus = read_corpus(reader, root)
    assert (corpus.name, corpus.label_names) == (reader, ["not harmful", "harmful"])
    assert {name: corpus.labels(name) for name in corpus.splits} == {
        "train": ["not harmful", "harmful", "harmful"],
        "validation": ["not harmful"],
        "test": ["harmful"],
    }
    first = corpus.splits["train"][0]
    assert (first["id"], first["text"]) == ("m_1", "one line")
    assert first["image"]["path"] == str(root.resolve() / "images" / "m_1.jpg")
    assert corpus.facts == {"split": "published files", "lines": {"train": 3, "validation": 1, "test": 1}}


def test_three_classes_and_the_target_of_harm(root: Path) -> None:
    assert read_corpus("harmeme", root, classes=3).labels("train") == [
        "not harmful",
        "somewhat harmful",
        "very harmful",
    ]
    corpus = read_corpus("harmeme", root, classes=3, harmed=True)
    assert [target.label_names for target in corpus.targets] == [
        ("not harmful", "somewhat harmful", "very harmful"),
        ("individual", "organization", "community", "society"),
    ]
    assert corpus.labels("train") == [
        {"harm": "not harmful", "harmed": None},
        {"harm": "somewhat harmful", "harmed": "society"},
        {"harm": "very harmful", "harmed": "individual"},
    ]
    assert read_corpus("harmeme", root, harmed=True).labels("test") == [{"harm": "harmful", "harmed": "community"}]
    with pytest.raises(DataError, match=r"classes of harmeme must be 2 .* or 3 .* got 4"):
        read_corpus("harmeme", root, classes=4)


def test_bad_rows_are_dropped(root: Path) -> None:
    rows = [
        ROWS["train"][0],
        {"id": "m_6", "image": "m_6.png", "labels": ["odd"], "text": "six"},
        {"id": "m_7", "image": "m_7.png", "labels": [], "text": "seven"},
        {"id": "m_8", "image": "../m_8.png", "labels": ["not harmful"], "text": "eight"},
        {"id": "m_9", "image": "m_9.png", "text": "nine"},
    ]
    write(root, "train", rows)
    with (root / "annotations" / "train.jsonl").open("a") as file:
        file.write('{"id": "m_10", \n')
    corpus = read_corpus("harmeme", root)
    assert corpus.splits["train"]["id"][:] == ["m_1"]
    assert corpus.dropped_counts() == {"unknown label": 3, "bad line": 1, "bad picture name": 1}
    assert corpus.facts["lines"]["train"] == 6
    write(root, "train", [{"id": "m_1", "image": "m_1.png", "text": "one"}])
    with pytest.raises(
        DataError, match=r"train\.jsonl: no column 'labels', which harmeme has; columns there: id, image"
    ):
        read_corpus("harmeme", root)


def test_an_unknown_target_of_harm_is_dropped_only_where_it_is_read(root: Path) -> None:
    write(root, "val", [{"id": "m_4", "image": "m_4.png", "labels": ["very harmful", "nature"], "text": "four"}])
    assert read_corpus("harmeme", root).labels("validation") == ["harmful"]
    assert read_corpus("harmeme", root, harmed=True).dropped_counts() == {"unknown label": 1}


def test_published_counts_are_compared_for_two_classes_only(root: Path) -> None:
    verdicts = [verdict.what for verdict in check_corpus("harmeme", root, check_images=False, progress=False).verdicts]
    assert "train harmful" in verdicts
    report = check_corpus("harmeme", root, check_images=False, progress=False, classes=3)
    assert "train harmful" not in [verdict.what for verdict in report.verdicts]
    assert check_corpus("harmeme", root, progress=False).dropped == {"missing image": 4, "unreadable image": 1}


def test_the_corrected_release_is_preferred(root: Path) -> None:
    for name in ROWS:
        write(root, f"{name}_v1", ROWS["val"])
    assert {split: len(data) for split, data in read_corpus("harmeme-politics", root).splits.items()} == {
        "train": 1,
        "validation": 1,
        "test": 1,
    }


def test_wrong_layout(root: Path) -> None:
    with pytest.raises(DataError, match=r"expects flickr8k.* Use the harmeme reader"):
        read_corpus("flickr8k-match", root)
    (root / "annotations" / "val.jsonl").unlink()
    with pytest.raises(DataError, match=r"harmeme reader expects annotations/ with train\.jsonl, val\.jsonl"):
        read_corpus("harmeme", root)


@pytest.mark.real_data
def test_real_counts(real_data_dir: Path) -> None:
    report = check_corpus("harmeme", real_data_dir / "harmeme", check_images=False, progress=False)
    assert all(verdict.reproduced for verdict in report.verdicts)
    assert len(report.verdicts) == 12
    assert report.dropped == {}
    for split in report.corpus.splits.values():
        assert all(Path(image["path"]).is_file() for image in split["image"])
    corpus = read_corpus("harmeme", real_data_dir / "harmeme", classes=3, harmed=True)
    assert Counter(row["harm"] for row in corpus.labels("train")) == {
        "not harmful": 1949,
        "somewhat harmful": 882,
        "very harmful": 182,
    }
    assert Counter(row["harmed"] for row in corpus.labels("train")) == {
        None: 1949,
        "individual": 413,
        "community": 321,
        "society": 255,
        "organization": 75,
    }
