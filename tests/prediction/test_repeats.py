from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clfa.prediction.post import Post
from clfa.prediction.repeats import distinct

_PICTURE = Image.new("RGB", (2, 2))
_ARRAY = np.zeros((2, 2, 3), np.uint8)


def test_different_posts_and_where_each_is() -> None:
    a, b, c = Post("so", "a.jpg"), Post("so", "b.jpg"), Post("oh", "a.jpg")
    assert distinct([b, a, b, c, a]) == ([b, a, c], [0, 1, 0, 2, 1])
    assert distinct([]) == ([], [])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Post("so", "a.jpg"), Post("so", Path("a.jpg"))),
        (Post("so", b"abc"), Post("so", bytes(bytearray(b"abc")))),
        (Post("so", ["a.jpg", "b.jpg"]), Post("so", ("a.jpg", "b.jpg"))),
        (Post("so", {"bytes": None, "path": "a.jpg"}), Post("so", {"path": "a.jpg"})),
        (Post("so", _PICTURE), Post("so", _PICTURE)),
        (Post(None, _ARRAY), Post(None, _ARRAY)),
    ],
    ids=["path", "bytes", "list", "cell", "picture", "array"],
)
def test_equal(one: Post, other: Post) -> None:
    assert distinct([one, other])[1] == [0, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Post("so", "a.jpg"), Post("So", "a.jpg")),
        (Post("so", "a.jpg"), Post("so", "a.jpg", "a cat")),
        (Post("so", "a.jpg"), Post("so", ["a.jpg"])),
        (Post("so", ["a.jpg", "b.jpg"]), Post("so", ["b.jpg", "a.jpg"])),
        (Post("so", "a.jpg"), Post("so", b"a.jpg")),
        (Post("so", {"bytes": b"a"}), Post("so", {"bytes": b"b"})),
        (Post("so", _ARRAY), Post("so", _ARRAY.copy())),
        (Post("so", None), Post("so", "")),
        (Post(1), Post(1.0)),  # type: ignore[arg-type]
        (Post(1), Post(True)),  # type: ignore[arg-type]
    ],
    ids=["text", "knowledge", "one", "order", "bytes", "content", "array", "none", "number", "boolean"],
)
def test_different(one: Post, other: Post) -> None:
    assert distinct([one, other])[1] == [0, 1]


_CELLS: Any = st.sampled_from([None, "", "a", "b", b"a", ["a", "b"], ["a"], {"bytes": b"a"}, {"path": "a"}])


@given(st.lists(st.builds(Post, st.sampled_from([None, "", "a", "b"]), _CELLS, st.sampled_from([None, "a"]))))
def test_nothing_is_lost(posts: list[Post]) -> None:
    kept, places = distinct(posts)
    assert [kept[place] for place in places] == posts
    assert len(kept) == len({repr(post) for post in posts})
