"""The single pictures of samples that may have several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clfa.store import single_keys
from clfa.tables.pictures import pictures_of


def single_pictures(contents: Sequence[Any], keys: Sequence[bytes]) -> tuple[Sequence[Any], Sequence[bytes]]:
    """Return contents and keys with one entry per picture, for computing and storing each picture once.

    Args:
        contents: Texts or image cells; without a list among them they are returned as they are.
        keys: Their content keys; the key of a list is its pictures' keys joined.

    Example:
        >>> single_pictures(["a.jpg", ["b.jpg", "c.jpg"], None], [b"a" * 16, b"b" * 16 + b"c" * 16, b""])
        (['a.jpg', 'b.jpg', 'c.jpg'], [b'aaaaaaaaaaaaaaaa', b'bbbbbbbbbbbbbbbb', b'cccccccccccccccc'])
    """
    if not any(isinstance(content, (list, tuple)) for content in contents):
        return contents, keys
    pairs = [
        pair
        for content, key in zip(contents, keys, strict=True)
        for pair in zip(pictures_of(content), single_keys(key), strict=True)
    ]
    return [picture for picture, _ in pairs], [key for _, key in pairs]
