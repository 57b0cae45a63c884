"""What a caller asks predictions for: a table, one post, columns, or a list of posts in any of their usual forms."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clfa.errors import DataError
from clfa.prediction.post import Post
from clfa.tables.columns import USUAL_NAMES, column_key
from clfa.tables.formats import is_table
from clfa.tables.memory import is_rows
from clfa.tables.missing import is_missing
from clfa.tables.paths import is_address

_KINDS = "dictionaries, texts, (text, picture) pairs or Posts"


@dataclass(frozen=True)
class Asked:
    """Posts in the form that a caller gave them.

    Args:
        table: The table to read them from; ``None`` if ``posts`` has them.
        posts: Posts whose pictures the caller named himself.
        index: Index of the caller's data frame or series.
        single: Whether it was one post, whose answer is not a list.
    """

    table: Any = None
    posts: Sequence[Post] | None = None
    index: Any = None
    single: bool = False


def asked(
    given: Any,
    image: Any = None,
    *,
    reads_text: bool = True,
    needs_image: bool = True,
    text_column: str | None = None,
) -> Asked:
    """Return the posts that a caller gave.

    Args:
        given: Path of a table, data frame, ``datasets.Dataset``; a text, if ``image`` is given; a mapping of one post,
            or of columns; a :class:`clfa.prediction.post.Post`; a list (or series) of mappings, of texts, of (text,
            picture) pairs or of posts. For a model that reads no text, a list that is none of these has pictures.
        image: Picture, or list of pictures, of the one text ``given``.
        reads_text: Whether the model reads texts.
        needs_image: Whether the model cannot do without a picture.
        text_column: Column of texts in the training table, beside the usual names.

    Raises:
        DataError: If it is none of these, or the items of a list or the columns of a mapping do not fit.
    """
    if image is not None:
        if not isinstance(given, str) and given is not None:
            raise DataError(f"image= is the picture of one text; got {type(given).__name__} beside it.")
        return Asked(posts=[Post(given, image)], single=True)
    if given is None:
        raise DataError(f"nothing to predict on; give a table, a text with image=, or a list of {_KINDS}.")
    if isinstance(given, Post):
        return Asked(posts=[given], single=True)
    if isinstance(given, (str, os.PathLike)):
        _require_table(os.fspath(given))
        return Asked(given)
    if isinstance(given, Mapping):
        names = {column_key(name) for name in (*USUAL_NAMES["text"], text_column or "")}
        columns = _columns(given, names)
        return Asked([dict(given)], single=True) if columns is None else Asked(columns, index=_first_index(given))
    if _is_row(given, text_column):
        return Asked([given.to_dict()], single=True)
    # Of two texts, the model could not read any but the first.
    if isinstance(given, tuple) and reads_text and _is_pair(given, strict=not needs_image):
        return Asked([{"text": given[0], "image": given[1]}], single=True)
    index = getattr(given, "index", None) if hasattr(given, "iloc") else None
    if _is_series(given) or (getattr(given, "ndim", 0) == 1 and hasattr(given, "tolist")):
        given = given.tolist()
    if isinstance(given, (list, tuple)):
        return _listed(given, reads_text, needs_image, index)
    return Asked(given, index=index)


def as_table(given: Any) -> Any:
    """Return labelled posts as a table: mappings of columns as rows, everything else, also splits by name, as it is.

    Raises:
        DataError: If the columns do not have the same number of values.
    """
    from clfa.data.splits import split_name

    if not isinstance(given, Mapping) or (given and all(split_name(str(name)) is not None for name in given)):
        return given
    columns = _columns(given, {column_key(name) for name in USUAL_NAMES["text"]})
    if columns is None:
        raise DataError("a mapping has columns, lists of as many values; this one has the values of one post.")
    return columns


def _listed(items: Sequence[Any], reads_text: bool, needs_image: bool, index: Any) -> Asked:
    if not items or is_rows(items):
        return Asked(list(items), index=index)
    # A series has NaN or pandas' NA where a text is missing.
    items = [None if not isinstance(item, str) and is_missing(item) else item for item in items]
    if all(isinstance(item, Post) for item in items):
        return Asked(posts=list(items), index=index)
    if not reads_text and not any(isinstance(item, (Mapping, Post)) or _is_pair(item, strict=True) for item in items):
        return Asked([{"image": item} for item in items], index=index)
    if all(item is None or isinstance(item, str) for item in items):
        if needs_image:
            raise DataError("the model reads a picture beside each text; give (text, picture) pairs, or dictionaries.")
        return Asked([{"text": item} for item in items], index=index)
    if all(_is_pair(item) for item in items):
        return Asked([{"text": text, "image": image} for text, image in items], index=index)
    first = _kind(items[0])
    number = next((number for number, item in enumerate(items) if _kind(item) != first), 0)
    raise DataError(
        "a table must be the path of a table file, a pandas DataFrame or a datasets.Dataset, or a list of "
        f"{_KINDS}, all of one kind; item {number} of the list is of type {type(items[number]).__name__}."
    )


def _kind(item: Any) -> str:
    tests = {"mapping": isinstance(item, Mapping), "Post": isinstance(item, Post), "text": isinstance(item, str)}
    return next((name for name, found in tests.items() if found), "pair" if _is_pair(item) else "other")


def _is_pair(item: Any, *, strict: bool = False) -> bool:
    """Return whether an item is a text and a picture; with ``strict``, one that is no list of two paths."""
    pair = isinstance(item, (tuple, list)) and len(item) == 2 and (item[0] is None or isinstance(item[0], str))
    return pair and not (strict and isinstance(item[1], str))


def _is_series(value: Any) -> bool:
    return hasattr(value, "iloc") and hasattr(value, "tolist")


def _is_row(value: Any, text_column: str | None) -> bool:
    """Return whether a value is one row of a data frame: a series with the names of columns as its index."""
    if not _is_series(value) or not hasattr(value, "index"):
        return False
    names = {column_key(name) for name in (*USUAL_NAMES["text"], *USUAL_NAMES["image"], text_column or "")}
    return any(isinstance(label, str) and column_key(label) in names for label in value.index)


def _is_list(value: Any) -> bool:
    """Return whether a value is a column: a list, a series, a flat array, or an array of several pictures."""
    if isinstance(value, (list, tuple)) or _is_series(value):
        return True
    return hasattr(value, "__array__") and getattr(value, "ndim", 0) in (1, 4)


def _columns(mapping: Mapping[Any, Any], texts: set[str]) -> list[dict[str, Any]] | None:
    """Return the rows of a mapping of columns; ``None`` for the fields of one post.

    Args:
        mapping: The mapping.
        texts: Keys of the names of the field of the text: one post has one, and may have several pictures.
    """
    if not mapping:
        raise DataError("an empty mapping is no post; give its text and image.")
    lists = {str(name) for name, value in mapping.items() if _is_list(value)}
    if not lists or (len(lists) < len(mapping) and not any(column_key(name) in texts for name in lists)):
        return None
    sizes = {str(name): len(value) if str(name) in lists else None for name, value in mapping.items()}
    if len(set(sizes.values())) > 1:
        counts = ", ".join(f"{name!r} {'one' if size is None else size}" for name, size in sizes.items())
        raise DataError(f"a mapping of columns has lists of as many values each; here are {counts}.")
    series = {str(name): value for name, value in mapping.items() if _is_series(value)}
    first = next(iter(series), None)
    for name, value in series.items():
        if not value.index.equals(series[str(first)].index):
            raise DataError(
                f"the series {first!r} and {name!r} have different indexes, so that it is open which values belong "
                "together; give a data frame of both, or lists."
            )
    names = list(map(str, mapping))
    return [dict(zip(names, row, strict=True)) for row in zip(*map(_values, mapping.values()), strict=True)]


def _values(column: Any) -> Iterable[Any]:
    return column.tolist() if _is_series(column) else column


def _first_index(mapping: Mapping[Any, Any]) -> Any:
    return next((value.index for value in mapping.values() if _is_series(value)), None)


def _require_table(name: str) -> None:
    if is_table(name) or is_address(name) or os.path.exists(name) or not _reads_like_text(name):
        return
    raise DataError(
        f"{name!r} is no table file; for one post give its picture with image=, or a dictionary, and for several texts "
        "a list."
    )


def _reads_like_text(name: str) -> bool:
    return " " in name or "\n" in name or not name or "." not in name
