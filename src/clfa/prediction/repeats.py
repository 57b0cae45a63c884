"""Posts that occur again, such as reposts: each is predicted on once."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from clfa.prediction.post import Post


def distinct(posts: Sequence[Post]) -> tuple[list[Post], list[int]]:
    """Return the posts without those that occurred before, and for each given post the position of its equal.

    Posts are equal if they have the same text, knowledge and pictures: the same paths, the same encoded bytes, or the
    same objects in memory. Equal pictures in different files are not looked for.

    Args:
        posts: Posts, in order.
    """
    places: dict[Hashable, int] = {}
    kept: list[Post] = []
    found = []
    for post in posts:
        place = places.setdefault(tuple(_key(part) for part in (post.text, post.image, post.knowledge)), len(kept))
        if place == len(kept):
            kept.append(post)
        found.append(place)
    return kept, found


def _key(value: Any) -> Hashable:
    # With its type: 1, 1.0 and True are equal in Python, but are different texts.
    if value is None or isinstance(value, (str, bytes)):
        return type(value), value
    if isinstance(value, os.PathLike):
        return str, os.fspath(value)
    if type(value) in (list, tuple):
        return list, tuple(_key(one) for one in value)
    if isinstance(value, Mapping) and set(value) <= {"bytes", "path"}:
        return dict, _key(value.get("bytes")), _key(value.get("path"))
    # Posts are kept while keys are compared, so that no other object gets the same number.
    return object, id(value)
