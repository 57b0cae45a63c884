from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from PIL import Image

from clfa.data import read_corpus
from clfa.data.schema import Corpus
from clfa.issues.near_duplicates import NearGroup, near_duplicates, pair_groups
from clfa.issues.posts import labelled_posts
from issues.conftest import scene


def test_groups_of_pairs() -> None:
    groups = pair_groups([(0, 2), (2, 4)], 5)
    assert groups[0] == groups[2] == groups[4]
    assert len({groups[0], groups[1], groups[3]}) == 3
    assert len(set(pair_groups([], 3))) == 3


def test_texts_and_pictures(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2), ("c", 3), ("d", 4)):
        scene(tmp_path / f"{name}.png", seed)
    Image.open(tmp_path / "a.png").resize((40, 30)).save(tmp_path / "a2.jpg", quality=60)
    Image.open(tmp_path / "b.png").save(tmp_path / "b2.png")
    rows = [
        ("first words of all", "a.png", "x", "train"),
        ("First words of ALL!", "a2.jpg", "y", "train"),
        ("quite another text", "b.png", "x", "train"),
        ("nothing like the others", "b2.png", "x", "test"),
        ("a third kind of text", "c.png", "y", "train"),
        ("@ann a third kind of text", "d.png", "y", "validation"),
    ]
    data = pd.DataFrame(rows, columns=["text", "image", "label", "split"])
    posts = labelled_posts(read_corpus("table", data, image_root=str(tmp_path)))
    ids = posts.column("id")
    # Positions follow the splits: train, validation, test.
    assert ids == ["1", "2", "3", "5", "6", "4"]
    assert near_duplicates(posts, images=True) == [
        NearGroup("text and image", [0, 1], True, False),
        NearGroup("text", [0, 1], True, False),
        NearGroup("image", [0, 1], True, False),
        NearGroup("image", [2, 5], False, True),
        NearGroup("text", [3, 4], False, True),
    ]
    assert [group.kind for group in near_duplicates(posts, images=False)] == ["text", "text"]


def test_posts_that_share_one_of_several_pictures(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2), ("c", 3), ("d", 4)):
        scene(tmp_path / f"{name}.png", seed)
    cells = [["a.png", "b.png"], ["c.png", "b.png"], ["d.png", "d.png"], None]
    texts = ["first words of all", "quite another text", "a third kind of text", "nothing like the others"]
    data = pd.DataFrame({"text": texts, "image": cells, "label": list("xyxy"), "split": "train"})
    posts = labelled_posts(read_corpus("table", data, image_root=str(tmp_path)))
    assert near_duplicates(posts, images=True) == [NearGroup("image", [0, 1], True, False)]


def test_no_near_duplicates(make_posts: Callable[..., Corpus]) -> None:
    assert near_duplicates(labelled_posts(make_posts(20, pictures=True)), images=True) == []
