from __future__ import annotations

from pathlib import Path

import pytest

from clfa.data import read_corpus
from clfa.errors import DataError
from clfa.tables.pictures import pictures_of


def post(id: str, pictures: str, text: str) -> str:
    return f"{id}{'|x' * 14}\n{pictures}\n{text}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tweets").mkdir()
    for split in ("train", "test"):
        for label, first in (("rumor", 0), ("nonrumor", 50)):
            posts = [post(f"{split}{n}", f"http://h/a/{n}a.jpg|http://h/{n}b.jpg|null", f"帖子 {n}") for n in range(first, first + 10)]  # fmt: skip # noqa: E501
            (tmp_path / "tweets" / f"{split}_{label}.txt").write_text("".join(posts), encoding="utf-8")
    for label, names in (("rumor", ("0b.jpg", "1a.png")), ("nonrumor", ("50a.jpg", "50b.jpg"))):
        (tmp_path / f"{label}_images").mkdir()
        for name in names:
            (tmp_path / f"{label}_images" / name).write_bytes(b"")
    return tmp_path


def test_posts_and_their_pictures_that_exist(root: Path) -> None:
    corpus = read_corpus("weibo-rumours", root, ratios=(0.8, 0.2, 0.0))
    assert corpus.label_names == ["nonrumor", "rumor"]
    assert {name: len(data) for name, data in corpus.splits.items()} == {"train": 16, "validation": 4, "test": 20}
    rows = {row["id"]: row for row in corpus.splits["test"]}
    assert (rows["test0"]["text"], rows["test0"]["targets"]) == ("帖子 0", [1.0])
    assert rows["test50"]["targets"] == [0.0]
    paths = {
        id: [Path(one["path"]).relative_to(root.resolve()).as_posix() for one in pictures_of(rows[id]["image"])]
        for id in ("test0", "test1", "test2", "test50")
    }
    assert paths == {
        "test0": ["rumor_images/0b.jpg"],
        "test1": ["rumor_images/1a.png"],
        "test2": ["rumor_images/2a.jpg"],
        "test50": ["nonrumor_images/50a.jpg", "nonrumor_images/50b.jpg"],
    }
    assert corpus.dropped == []
    assert corpus.facts["lines"] == {"train": 20, "test": 20}


def test_bad_lines_empty_texts_and_posts_without_pictures(root: Path) -> None:
    content = "stray line\n" + post("a", "null", "") + post("b", "http://h/..|null", "x") + "c" + "|x" * 14 + "\nnull\n"
    (root / "tweets" / "test_rumor.txt").write_text(content, encoding="utf-8")
    corpus = read_corpus("weibo-rumours", root)
    rows = {row["id"]: row for row in corpus.splits["test"]}
    assert (rows["a"]["text"], rows["a"]["image"]) == ("", None)
    assert [(d.source, d.reason) for d in corpus.dropped] == [
        ("test_rumor.txt:row 1", "bad line"),
        ("test_rumor.txt:row 5", "bad picture name"),
        ("test_rumor.txt:row 8", "bad line"),
    ]
    assert corpus.facts["lines"]["test"] == 14


def test_wrong_layout(root: Path) -> None:
    (root / "tweets" / "test_rumor.txt").unlink()
    with pytest.raises(DataError, match=r"weibo-rumours reader expects tweets/ with train_nonrumor\.txt"):
        read_corpus("weibo-rumours", root)
