"""Types of class labels: a table's numbers and truth values are predicted as such, not as texts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from clfa.tables.cells import as_text
from clfa.tables.missing import is_missing, plain

TEXT = "str"
# Conversion of a class name to a label, by type.
_LABELS: dict[str, Callable[[str], Any]] = {
    TEXT: str,
    "int": int,
    "float": float,
    "bool": {"True": True, "False": False}.__getitem__,
}
LABEL_TYPES = tuple(_LABELS)
_WHOLE = re.compile(r"([+-]?\d+)\.0+")
# White space and characters that are not seen, around a name.
_EDGES = re.compile(r"^[\s\u00ad\u200b-\u200f\u2060\ufeff]+|[\s\u00ad\u200b-\u200f\u2060\ufeff]+$")


def label_text(value: Any) -> str:
    """Return a label as a class name: ``""`` if it is missing, whole numbers without ``.0``.

    Example:
        >>> [label_text(value) for value in (1, 1.0, "1.0", True, " joy ", b"joy", float("nan"), "N/A")]
        ['1', '1', '1', 'True', 'joy', 'joy', '', '']
    """
    if isinstance(value, bytes | bytearray):
        value = as_text(value)  # Parquet files may hold texts as bytes.
    if is_missing(value):
        return ""
    value = plain(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas converts an integer column with missing cells to floats.
    text = _EDGES.sub("", str(value))
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def same_name(text: str) -> str:
    """Return a class name in the form in which equal names are equal: composed characters (NFC).

    Example:
        >>> same_name("cafe\\u0301") == "caf\\xe9"
        True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def without_stray_quote(text: str) -> str:
    """Return a class name without a single quote at its beginning or end; numbers, as ``5"``, are unchanged.

    Example:
        >>> [without_stray_quote(text) for text in ('"joy', 'joy"', '"joy"', '5"', 'so "joy')]
        ['joy', 'joy', '"joy"', '5"', 'so "joy']
    """
    bare = text.strip('"')
    return bare if text.count('"') == 1 and bare != text and not bare[-1:].isdigit() else text


def label_type(value: Any) -> str:
    """Return the type of a label, one of :data:`LABEL_TYPES`; whole numbers are ``int``."""
    value = plain(value)
    if isinstance(value, float) and value.is_integer():
        return "int"
    kind = type(value).__name__
    return kind if kind in _LABELS else TEXT


def name_types(names: Sequence[str], seen: Mapping[str, Iterable[str]]) -> tuple[str, ...] | None:
    """Return the type of each class, or ``None`` if all are texts.

    Args:
        names: Class names.
        seen: Types of the labels in the data, by class name. Classes without a label have the type of all others, if
            these have one.
    """
    everywhere = {kind for kinds in seen.values() for kind in kinds}
    found = tuple(_only(name, set(seen.get(name, everywhere))) for name in names)
    return None if set(found) <= {TEXT} else found


def _only(name: str, kinds: set[str]) -> str:
    if len(kinds) != 1:
        return TEXT
    (kind,) = kinds
    try:
        return kind if str(_LABELS[kind](name)) == name else TEXT
    except (ValueError, KeyError):
        return TEXT


def typed_label(name: str, kind: str) -> Any:
    """Return the label of a class.

    Args:
        name: Class name.
        kind: One of :data:`LABEL_TYPES`.

    Raises:
        ValueError: If the name is not a label of this type.
    """
    try:
        return _LABELS[kind](name)
    except (KeyError, ValueError):
        raise ValueError(f"{name!r} is not of type {kind}") from None
