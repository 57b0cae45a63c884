from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from class_indices import class_indices
from clfa.data import read_corpus
from clfa.data.schema import Corpus
from clfa.errors import DataError

VOTES = {str(n): ["positive,positive"] for n in range(1, 19)}
FOLDS = {1: {"train": "1 2 3 4 5 6 7 8 9", "val": "10", "test": "11 12 13 14 15 16"}}


def pictures(corpus: Corpus, split: str) -> dict[str, str]:
    """Id of the post that each post's picture belongs to."""
    return {row["id"]: Path(row["image"]["path"]).stem for row in corpus.splits[split]}


def test_half_of_each_split_swaps_its_pictures(make_mvsa: Callable[..., Path]) -> None:
    corpus = read_corpus("mvsa-match", make_mvsa(VOTES, unlabelled=("19",), folds=FOLDS))
    assert corpus.label_names == ["no-match", "match"]
    for split, swapped in (("train", 4), ("validation", 0), ("test", 3)):
        found = pictures(corpus, split)
        assert sorted(found) == sorted(found.values()), "every picture occurs once, in its own split"
        labels = class_indices(corpus.splits[split])
        assert [int(id == picture) for id, picture in found.items()] == labels
        assert labels.count(0) == swapped
    assert corpus.unlabelled is not None
    assert [(row["id"], Path(row["image"]["path"]).stem) for row in corpus.unlabelled] == [("19", "19")]
    assert corpus.facts["swapped pictures"] == {"seed": 0}
    assert corpus.facts["split"] == "published fold 1 of 1"


def test_the_draw_is_the_same_for_ever_and_follows_the_seed(make_mvsa: Callable[..., Path]) -> None:
    root = make_mvsa(VOTES, folds=FOLDS)
    drawn = pictures(read_corpus("mvsa-match", root), "train")
    assert {id: picture for id, picture in drawn.items() if id != picture} == EXPECTED
    assert pictures(read_corpus("mvsa-match", root), "train") == drawn
    assert pictures(read_corpus("mvsa-match", root, swap_seed=1), "train") != drawn


EXPECTED = {"2": "3", "3": "8", "5": "2", "8": "5"}


def test_equal_texts_and_pictures_are_not_swapped(make_mvsa: Callable[..., Path]) -> None:
    root = make_mvsa(VOTES, folds=FOLDS)
    for id in VOTES:
        (root / "data" / f"{id}.jpg").write_bytes(f"picture {id}".encode())
    # In the draw without equal posts, post 2 gets the picture of post 3.
    for id in ("2", "3"):
        (root / "data" / f"{id}.txt").write_text("the same text")
    assert pictures(read_corpus("mvsa-match", root), "train")["2"] not in ("2", "3")
    (root / "data" / "2.txt").write_text("another text")
    assert pictures(read_corpus("mvsa-match", root), "train")["2"] == "3"
    (root / "data" / "2.jpg").write_bytes((root / "data" / "3.jpg").read_bytes())
    assert pictures(read_corpus("mvsa-match", root), "train")["2"] not in ("2", "3")


def test_posts_that_cannot_be_swapped(make_mvsa: Callable[..., Path]) -> None:
    root = make_mvsa(VOTES, folds={1: {**FOLDS[1], "val": "10 17"}})
    with pytest.raises(
        DataError, match="pictures of 1 posts of the validation split cannot be swapped: they are too few"
    ):
        read_corpus("mvsa-match", root)


def test_posts_without_a_picture_take_no_part(make_mvsa: Callable[..., Path]) -> None:
    root = make_mvsa(VOTES, folds=FOLDS)
    (root / "data" / "12.jpg").unlink()
    corpus = read_corpus("mvsa-match", root)
    assert sorted(pictures(corpus, "test")) == ["11", "13", "14", "15", "16"]
    missing = [(drop.id, drop.split, drop.source) for drop in corpus.dropped if drop.reason == "missing image"]
    assert missing == [("12", "test", "data/12.jpg")]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("fold", "expected"),
    [(1, [(1601, 1601), (198, 198), (201, 201)]), (2, [(1592, 1592), (202, 203), (205, 206)])],
)
def test_real_folds(real_data_dir: Path, fold: int, expected: list[tuple[int, int]]) -> None:
    corpus = read_corpus("mvsa-match", real_data_dir / "mvsa-single", fold=fold)
    counts = [Counter(class_indices(split)) for split in corpus.splits.values()]
    assert [(count[0], count[1]) for count in counts] == expected
    assert corpus.unlabelled is not None
    assert len(corpus.unlabelled) == 358
    for split in corpus.splits:
        found = pictures(corpus, split)
        assert sorted(found) == sorted(found.values())
        assert [int(id == picture) for id, picture in found.items()] == class_indices(corpus.splits[split])
