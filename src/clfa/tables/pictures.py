"""Cells with the pictures of a post: none, one, or a list of several."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

# Default of the largest number of pictures per post (posts on Weibo have up to nine).
MAX_IMAGES = 9

# Beginning of the content of a picture that cannot be used. No picture begins so.
_UNUSABLE = b"clfa: unusable picture\0"
_REFUSED = b"clfa: refused picture\0"


def pictures_of(cell: Any) -> list[Any]:
    """Return the pictures of an image cell: a list without missing entries; empty for a missing cell.

    Example:
        >>> pictures_of(None), pictures_of("a.jpg"), pictures_of(["a.jpg", None, "b.jpg"])
        ([], ['a.jpg'], ['a.jpg', 'b.jpg'])
    """
    entries = cell if isinstance(cell, (list, tuple)) else [cell]
    return [entry for entry in entries if entry is not None and not (isinstance(entry, str) and not entry)]


def as_cell(pictures: Sequence[Any]) -> Any:
    """Return pictures as an image cell: ``None`` without a picture, one picture as itself, several as a list."""
    return list(pictures) if len(pictures) > 1 else next(iter(pictures), None)


def listed(cell: Any) -> list[Any] | None:
    """Return the entries of a cell that is a list: also a tuple, an array of texts or objects, or a JSON list as text.

    A text counts as a list if it is a JSON list of texts or objects, for instance ``["a.jpg", "b.jpg"]``; any other
    text is one path.

    Returns:
        ``None`` for a cell that is not a list: also for encoded bytes and an array of numbers.
    """
    if isinstance(cell, str):
        return _json_list(cell)
    if isinstance(cell, (list, tuple)):
        return list(cell)
    # pandas reads lists in Parquet files as arrays of objects.
    kind = getattr(getattr(cell, "dtype", None), "kind", "")
    return list(cell.tolist()) if getattr(cell, "ndim", 0) == 1 and kind in ("O", "U", "T") else None


def _json_list(text: str) -> list[Any] | None:
    if not text.strip().startswith("["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    usable = isinstance(found, list) and all(entry is None or isinstance(entry, (str, dict)) for entry in found)
    return found if usable else None


def no_picture(value: Any) -> dict[str, Any]:
    """Return :func:`unusable_picture` for something that is no picture, for instance a list in a list."""
    return unusable_picture(f"image: one picture must be a path, encoded bytes or pixels, got {type(value).__name__}")


def unusable_picture(message: str) -> dict[str, Any]:
    """Return a picture of a table that cannot be used; reading it raises an error with the message.

    A table keeps the row, and the check of its pictures reports the reason, like that of a broken file.

    Args:
        message: Why it cannot be used, with its name.

    Example:
        >>> unusable_reason(unusable_picture("a.jpg: outside")["bytes"])
        'a.jpg: outside'
    """
    return {"bytes": _UNUSABLE + message.encode("utf-8", "replace"), "path": None}


def unusable_reason(content: bytes) -> str | None:
    """Return the message of :func:`unusable_picture` in the content of a picture; ``None`` for any other content."""
    return content.removeprefix(_UNUSABLE).decode("utf-8", "replace") if content.startswith(_UNUSABLE) else None


def refused_picture(reason: str, message: str) -> dict[str, Any]:
    """Return a picture that a row may not name; reading it raises an error with the message.

    Args:
        reason: Short reason, for counting.
        message: What was named, why it is refused, and the setting that permits it.

    Example:
        >>> refusal(refused_picture("outside", "../a.jpg: outside")["bytes"])
        ('outside', '../a.jpg: outside')
    """
    return {"bytes": _REFUSED + f"{reason}\0{message}".encode("utf-8", "replace"), "path": None}


def refusal(content: bytes) -> tuple[str, str] | None:
    """Return reason and message of :func:`refused_picture` in the content of a picture; ``None`` for other content."""
    if not content.startswith(_REFUSED):
        return None
    reason, _, message = content.removeprefix(_REFUSED).decode("utf-8", "replace").partition("\0")
    return reason, message
