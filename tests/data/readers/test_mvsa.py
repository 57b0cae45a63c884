from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from class_indices import class_indices
from clfa.data import read_corpus
from clfa.data.validation import validate
from clfa.errors import DataError

SINGLE = {
    "1": ["neutral,positive"],
    "2": ["positive,positive"],
    "3": ["negative,neutral"],
    "4": ["positive,negative"],
    "5": ["neutral,neutral"],
    "6": ["negative,negative"],
}


def ids(corpus: object, split: str) -> list[str]:
    return list(corpus.splits[split]["id"])  # type: ignore[attr-defined]


def test_labels_texts_and_images_of_mvsa_single(make_mvsa: Callable[..., Path]) -> None:
    root = make_mvsa(SINGLE, unlabelled=("7",), folds={1: {"train": "1 2 3", "val": "5", "test": "6"}})
    corpus = read_corpus("mvsa-single", root)
    assert corpus.label_names == ["negative", "neutral", "positive"]
    assert [(row["id"], row["targets"][0]) for row in corpus.splits["train"]] == [("1", 2), ("2", 2), ("3", 0)]
    assert corpus.splits["validation"][0] == {
        "id": "5",
        "text": "post 5…",
        "image": {"bytes": None, "path": str(root / "data" / "5.jpg")},
        "knowledge": None,
        "targets": [1],
    }
    assert corpus.has_images
    assert corpus.facts == {
        "split": "published fold 1 of 1",
        "lines": {"all": 6},
        "text encodings": {"gb18030": 7},
    }


def test_pairs_without_a_usable_label_are_unlabelled(make_mvsa: Callable[..., Path]) -> None:
    corpus = read_corpus("mvsa-single", make_mvsa(SINGLE, unlabelled=("7",)))
    assert corpus.unlabelled is not None
    assert corpus.unlabelled["id"][:] == ["4", "7"]
    assert class_indices(corpus.unlabelled) == [None, None]
    assert [(d.id, d.reason, d.source) for d in corpus.dropped] == [
        ("4", "contradictory labels", "labelResultAll.txt:5")
    ]


def test_folds_are_read_by_number(make_mvsa: Callable[..., Path]) -> None:
    folds = {
        1: {"train": "1 2 3", "val": "5", "test": "6"},
        3: {"train": "6 5 1", "val": "2", "test": "3"},
    }
    root = make_mvsa(SINGLE, folds=folds)
    assert ids(read_corpus("mvsa-single", root), "test") == ["6"]
    assert ids(read_corpus("mvsa-single", root, fold=3), "test") == ["3"]
    with pytest.raises(DataError, match=r"no fold 2; folds there: 1, 3"):
        read_corpus("mvsa-single", root, fold=2)
    with pytest.raises(DataError, match="fold must be a number, 'auto' or 'none', got 'first'"):
        read_corpus("mvsa-single", root, fold="first")
    assert read_corpus("mvsa-single", root, fold="none").facts["split"] == "stratified 8:1:1, seed 0"


def test_without_fold_files_a_seeded_stratified_split_is_drawn(make_mvsa: Callable[..., Path]) -> None:
    votes = {str(n): ["positive,positive" if n % 2 else "negative,negative"] for n in range(40)}
    root = make_mvsa(votes)
    corpus = read_corpus("mvsa-single", root)
    assert {name: Counter(class_indices(split)) for name, split in corpus.splits.items()} == {
        "train": {0: 16, 2: 16},
        "validation": {0: 2, 2: 2},
        "test": {0: 2, 2: 2},
    }
    assert ids(corpus, "test") == ids(read_corpus("mvsa-single", root), "test")
    assert ids(corpus, "test") != ids(read_corpus("mvsa-single", root, split_seed=1), "test")
    with pytest.raises(DataError, match=r"no fold 1; folds there: none"):
        read_corpus("mvsa-single", root, fold=1)


def test_ids_missing_here_or_in_the_fold_are_listed(make_mvsa: Callable[..., Path]) -> None:
    root = make_mvsa(SINGLE, folds={1: {"train": "1 2 99", "val": "5", "test": "6"}})
    (root / "data" / "2.txt").unlink()
    (root / "data" / "5.jpg").unlink()
    corpus = validate(read_corpus("mvsa-single", root))
    assert {(d.id, d.split, d.reason) for d in corpus.dropped} == {
        ("4", "", "contradictory labels"),
        ("99", "train", "missing sample"),
        ("2", "train", "missing text"),
        ("3", "", "not in fold files"),
        ("5", "validation", "missing image"),
    }
    assert ids(corpus, "train") == ["1"]


def test_bad_label_lines_are_dropped(make_mvsa: Callable[..., Path]) -> None:
    root = make_mvsa(SINGLE)
    with (root / "labelResultAll.txt").open("a") as file:
        file.write("8\n\n9\thappy,positive\n1\tnegative,negative\n10\tpositive\n")
    corpus = read_corpus("mvsa-single", root)
    assert [(d.id, d.reason) for d in corpus.dropped if d.id != "4"] == [
        ("8", "bad label line"),
        ("9", "unknown label"),
        ("1", "duplicate id"),
        ("10", "bad label line"),
    ]
    assert "'happy' is not one of" in corpus.dropped[2].detail


def test_text_that_is_binary_is_dropped(make_mvsa: Callable[..., Path]) -> None:
    root = make_mvsa(SINGLE, folds={1: {"train": "1 2 3", "val": "5", "test": "6"}})
    (root / "data" / "2.txt").write_bytes(bytes(range(1, 9)) * 30)
    corpus = read_corpus("mvsa-single", root)
    assert ids(corpus, "train") == ["1", "3"]
    assert ("2", "undecodable text") in {(d.id, d.reason) for d in corpus.dropped}


def test_texts_share_the_collections_encoding(make_mvsa: Callable[..., Path]) -> None:
    root = make_mvsa(
        {str(n): ["neutral,neutral"] for n in range(30)}, folds={1: {"train": "0", "val": "1", "test": "2"}}
    )
    # Valid UTF-8 by accident; every other text is GBK.
    (root / "data" / "0.txt").write_bytes("@bob (笑) look".encode("gb18030"))
    assert read_corpus("mvsa-single", root).splits["train"]["text"][:] == ["@bob (笑) look"]


MULTIPLE = {
    "1": ["positive,positive", "positive,neutral", "negative,positive"],
    "2": ["positive,positive", "neutral,positive", "negative,positive"],
    "3": ["neutral,negative", "neutral,negative", "positive,positive"],
    "4": ["positive,negative", "positive,negative", "neutral,neutral"],
}


def test_mvsa_multiple_takes_the_majority_first(make_mvsa: Callable[..., Path]) -> None:
    corpus = read_corpus("mvsa-multiple", make_mvsa(MULTIPLE, folds={1: {"train": "1 3", "val": "", "test": ""}}))
    assert [(row["id"], row["targets"][0]) for row in corpus.splits["train"]] == [("1", 2), ("3", 0)]
    assert [(d.id, d.reason) for d in corpus.dropped] == [("2", "contradictory labels"), ("4", "contradictory labels")]
    assert corpus.unlabelled is not None
    assert corpus.unlabelled["id"][:] == ["2", "4"]


def test_single_and_multiple_are_told_apart(make_mvsa: Callable[..., Path]) -> None:
    root = make_mvsa(MULTIPLE)
    with pytest.raises(
        DataError, match=r"3 text,image columns; mvsa-single has 1 annotator.*Use the mvsa-multiple reader"
    ):
        read_corpus("mvsa-single", root)


def test_wrong_layout_says_what_was_expected_and_what_fits(tmp_path: Path, mmsd_dir: Path) -> None:
    with pytest.raises(DataError, match=r"expects labelResultAll\.txt .*; found .*original/\. Use the mmsd reader"):
        read_corpus("mvsa-single", mmsd_dir)
    with pytest.raises(DataError, match="no such file or directory"):
        read_corpus("mvsa-single", tmp_path / "nowhere")


@pytest.mark.real_data
@pytest.mark.parametrize(("fold", "sizes"), [(1, (3202, 396, 402)), (3, (3201, 405, 394)), (10, (3208, 395, 397))])
def test_real_folds(real_data_dir: Path, fold: int, sizes: tuple[int, int, int]) -> None:
    corpus = read_corpus("mvsa-single", real_data_dir / "mvsa-single", fold=fold)
    assert tuple(map(len, corpus.splits.values())) == sizes
    labels = sum((Counter(class_indices(split)) for split in corpus.splits.values()), Counter())
    assert labels == {0: 1193, 1: 419, 2: 2388}
    assert corpus.unlabelled is not None
    assert len(corpus.unlabelled) == 358
    assert corpus.dropped == []


@pytest.mark.real_data
@pytest.mark.slow
def test_every_real_image_decodes(real_data_dir: Path) -> None:
    corpus = validate(read_corpus("mvsa-single", real_data_dir / "mvsa-single"), progress=False)
    assert corpus.dropped == []
    assert sum(map(len, corpus.splits.values())) == 4000
