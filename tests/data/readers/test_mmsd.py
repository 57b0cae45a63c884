from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from class_indices import class_indices
from clfa.data import read_corpus
from clfa.data.readers.mmsd import CUE_WORDS
from clfa.errors import DataError


def test_last_item_is_the_label_and_cue_words_are_filtered(mmsd_dir: Path) -> None:
    corpus = read_corpus("mmsd", mmsd_dir)
    assert corpus.label_names == ["not_sarcastic", "sarcastic"]
    rows = {
        name: [(row["id"], row["text"], row["targets"][0]) for row in split] for name, split in corpus.splits.items()
    }
    assert rows == {
        "train": [("1", "what a day", 1), ("3", "it 's fine", 0)],
        "validation": [("4", "so good", 0)],
        "test": [("6", "sunny again", 1)],
    }
    assert [(d.id, d.split, d.source, d.reason, d.detail) for d in corpus.dropped if d.reason == "cue word"] == [
        ("2", "train", "train.txt:2", "cue word", "<url>"),
        ("5", "test", "test2.txt:1", "cue word", "irony"),
    ]
    assert corpus.facts["lines"] == {"train": 4, "validation": 1, "test": 2}
    assert not corpus.has_images


def test_bad_lines_are_dropped_and_named(mmsd_dir: Path) -> None:
    with (mmsd_dir / "original" / "train.txt").open("a") as file:
        file.write("['9', 'text']\n['9', 'text', 2]\n['9', 7, 1]\n__import__('os').abort()\n\n" + "[" * 5000 + "\n")
    bad = [d for d in read_corpus("mmsd", mmsd_dir).dropped if d.reason == "bad line"]
    assert [d.source for d in bad] == ["train.txt:4", *(f"train.txt:{n}" for n in (5, 6, 7, 8, 10))]


def test_without_the_filter_every_line_is_kept(mmsd_dir: Path) -> None:
    corpus = read_corpus("mmsd", mmsd_dir, filter_cues=False)
    assert len(corpus.splits["train"]) == 3
    assert len(corpus.splits["test"]) == 2


def test_cue_words_are_whole_tokens(mmsd_dir: Path) -> None:
    assert len(CUE_WORDS) == 11
    (mmsd_dir / "original" / "train.txt").write_text("['1', 'joker sarcasm. #irony', 1]\n")
    assert len(read_corpus("mmsd", mmsd_dir).splits["train"]) == 1


def test_subfolder_and_authors_layout_are_accepted(mmsd_dir: Path) -> None:
    assert read_corpus("mmsd", mmsd_dir / "original", knowledge="ocr").splits["train"]["knowledge"][:] == [
        "stop here",
        None,
    ]
    (mmsd_dir / "original").rename(mmsd_dir / "text")
    assert len(read_corpus("mmsd", mmsd_dir).splits["train"]) == 2
    assert len(read_corpus("mmsd", mmsd_dir / "text").splits["train"]) == 2


def test_knowledge_is_joined_in_the_order_asked_for(mmsd_dir: Path) -> None:
    corpus = read_corpus("mmsd", mmsd_dir, knowledge=["attributes", "ocr"])
    assert corpus.splits["train"]["knowledge"][:] == ["dog park ; stop here", "cat"]
    assert corpus.splits["test"]["knowledge"][:] == [None]
    assert [d.source for d in corpus.dropped if d.reason == "bad knowledge line"] == ["image_attributes.txt:3"]
    reverse = read_corpus("mmsd2", mmsd_dir, knowledge=["ocr", "attributes"])
    assert reverse.splits["train"]["knowledge"][:] == ["stop here ; dog park", "cat"]


def test_missing_and_unknown_knowledge(mmsd_dir: Path) -> None:
    (mmsd_dir / "image_ocr.txt").unlink()
    with pytest.raises(DataError, match=r"knowledge 'ocr' needs one of the files image_ocr\.txt"):
        read_corpus("mmsd", mmsd_dir, knowledge="ocr")
    with pytest.raises(DataError, match="unknown knowledge 'captions'; this data set has: attributes, ocr"):
        read_corpus("mmsd", mmsd_dir, knowledge=["captions"])


def test_images_folder(mmsd_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dataset_image: no such folder of images"):
        read_corpus("mmsd", mmsd_dir, require_images=True)
    with pytest.raises(DataError, match="no such folder of images"):
        read_corpus("mmsd2", mmsd_dir, images_dir=str(tmp_path / "gone"))
    (mmsd_dir / "dataset_image").mkdir()
    for reader in ("mmsd", "mmsd2"):
        corpus = read_corpus(reader, mmsd_dir, require_images=True)
        assert corpus.has_images
        assert corpus.splits["train"][0]["image"] == {
            "bytes": None,
            "path": str(mmsd_dir / "dataset_image" / "1.jpg"),
        }


def test_mmsd2(mmsd_dir: Path) -> None:
    corpus = read_corpus("mmsd2", mmsd_dir)
    assert [(row["id"], row["text"], row["targets"][0]) for row in corpus.splits["train"]] == [
        ("1", "what a day", 1),
        ("3", "fine", 0),
    ]
    assert [(d.source, d.reason, d.detail) for d in corpus.dropped] == [
        ("test.json:1", "bad record", "field 'label' is missing")
    ]
    assert len(read_corpus("mmsd2", mmsd_dir / "mmsd2").splits["train"]) == 2


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        ("[3]", "expected an object"),
        ('{"image_id": 1, "text": null, "label": 1}', "expected a text and a label"),
        ('{"image_id": 1, "text": "a", "label": 2}', "found label 2"),
    ],
)
def test_mmsd2_bad_records(mmsd_dir: Path, record: str, detail: str) -> None:
    (mmsd_dir / "mmsd2" / "valid.json").write_text(f"[{record}]")
    dropped = read_corpus("mmsd2", mmsd_dir).dropped[0]
    assert (dropped.split, dropped.source) == ("validation", "valid.json:0")
    assert detail in dropped.detail


def test_mmsd2_broken_files(mmsd_dir: Path) -> None:
    (mmsd_dir / "mmsd2" / "valid.json").write_text('[{"image_id": 1')
    with pytest.raises(DataError, match=r"valid\.json: not valid JSON"):
        read_corpus("mmsd2", mmsd_dir)
    (mmsd_dir / "mmsd2" / "valid.json").write_text("{}")
    with pytest.raises(DataError, match=r"valid\.json: expected a list .* found dict"):
        read_corpus("mmsd2", mmsd_dir)


def test_wrong_layout(mmsd_dir: Path) -> None:
    with pytest.raises(DataError, match=r"mmsd reader expects original/ .* Use the mmsd2 reader"):
        read_corpus("mmsd", mmsd_dir / "mmsd2")
    with pytest.raises(DataError, match=r"mmsd2 reader expects mmsd2/ .* Use the mmsd reader"):
        read_corpus("mmsd2", mmsd_dir / "original")


@pytest.mark.real_data
def test_real_mmsd_counts(real_data_dir: Path) -> None:
    corpus = read_corpus("mmsd", real_data_dir / "mmsd", knowledge=["attributes", "ocr"])
    assert corpus.facts["lines"] == {"train": 29040, "validation": 2410, "test": 2409}
    assert {name: Counter(class_indices(split)) for name, split in corpus.splits.items()} == {
        "train": {0: 11174, 1: 8642},
        "validation": {0: 1451, 1: 959},
        "test": {0: 1450, 1: 959},
    }
    assert corpus.dropped_counts() == {"cue word": 9224}
    assert {d.split for d in corpus.dropped} == {"train"}
    assert all(knowledge for split in corpus.splits.values() for knowledge in split["knowledge"])


@pytest.mark.real_data
def test_real_mmsd2_counts(real_data_dir: Path) -> None:
    corpus = read_corpus("mmsd2", real_data_dir / "mmsd")
    assert {name: Counter(class_indices(split)) for name, split in corpus.splits.items()} == {
        "train": {0: 10240, 1: 9576},
        "validation": {0: 1368, 1: 1042},
        "test": {0: 1372, 1: 1037},
    }
    assert corpus.dropped == []
