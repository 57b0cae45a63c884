"""Conversion of the cells of a row: id, text, image and knowledge."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from clfa.errors import DataError
from clfa.tables.columns import Columns
from clfa.tables.encoding import clean_text, decode_bytes
from clfa.tables.gate import PictureGate
from clfa.tables.lines import whole_characters
from clfa.tables.missing import is_missing, plain
from clfa.tables.pictures import as_cell, listed, no_picture, pictures_of, unusable_picture
from clfa.tables.row import Row

logger = logging.getLogger(__name__)

# Above this value, a float cannot represent every integer.
_EXACT = 2**53


@dataclass(slots=True)
class Cells:
    """The converted cells of a row.

    Args:
        id: The id cell as text, or the row's number.
        text: The cleaned text, or ``None``.
        image: Permitted path or address, encoded bytes, a mapping of ``bytes`` and ``path``, or an image object; a
            list of these for several images; ``None`` without an image. A picture that the row may not name is one
            whose reading raises an error (:func:`clfa.tables.pictures.refused_picture`).
        knowledge: The cleaned knowledge text, or ``None``.
    """

    id: str
    text: str | None
    image: Any
    knowledge: str | None


def read_cells(row: Row, columns: Columns, gate: PictureGate) -> Cells:
    """Return id, text, image and knowledge of a row.

    Args:
        row: A row without an error.
        columns: Column of each field.
        gate: What the row may open.
    """

    def cell(name: str | None) -> Any:
        return None if name is None else row.values.get(name)

    return Cells(
        read_id(cell(columns.id), row.number),
        read_text(cell(columns.text)),
        read_image(cell(columns.image), gate),
        read_text(cell(columns.knowledge)),
    )


def as_text(value: Any, *, literal: bool = False) -> str:
    """Return a cell as text: whole numbers without ``.0``, bytes decoded, lists as JSON, ``""`` if missing.

    Args:
        value: The cell.
        literal: Whether texts such as ``nan`` or ``N/A`` are kept; by default they are missing, see
            :func:`clfa.tables.missing.is_missing`.
    """
    if is_missing(value) and not (literal and isinstance(value, str)):
        return ""
    text = value if isinstance(value, str) else _described(plain(value))
    return text if text.isascii() else whole_characters(text)


def _described(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        # pandas converts an integer column with missing cells to floats.
        return str(int(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            return decode_bytes(bytes(value))[0]
        except DataError:
            # Not text. The row is listed as one with an empty cell.
            return ""
    if isinstance(value, (tuple, set, frozenset)):
        value = list(value)
    elif getattr(value, "ndim", 0) == 1 and hasattr(value, "tolist"):
        # Arrow stores arrays as lists, too.
        value = value.tolist()
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def read_text(value: Any, *, literal: bool = False) -> str | None:
    """Return a text cell, cleaned by :func:`clfa.tables.encoding.clean_text`; ``None`` if it is empty.

    Args:
        value: The cell.
        literal: See :func:`as_text`.
    """
    return clean_text(as_text(value, literal=literal)) or None


def read_id(value: Any, number: int) -> str:
    """Return an id cell as text, or the row's number if the cell is empty.

    Warn once of floats that are too large to hold every digit of an id.
    """
    if isinstance(value, float) and math.isfinite(value) and abs(value) >= _EXACT:
        _warn_of_lost_digits()
    return as_text(value).replace("\x00", "").strip() or str(number)


@cache
def _warn_of_lost_digits() -> None:
    logger.warning(
        "An id is a floating-point number of more than 15 digits, as spreadsheets and pandas store long numbers: its "
        "last digits are lost, and different ids may be equal. Store ids as texts."
    )


def read_image(value: Any, gate: PictureGate) -> Any:
    """Return an image cell with its paths resolved, as far as the row may name them; see :class:`Cells`.

    A list (see :func:`clfa.tables.pictures.listed`) with one picture is that picture, one without any is ``None``.

    Args:
        value: The cell.
        gate: What the row may open.
    """
    entries = listed(value)
    if entries is None:
        return _read_picture(value, gate)
    return as_cell(pictures_of([_read_picture(entry, gate) for entry in entries]))


def _read_picture(value: Any, gate: PictureGate) -> Any:
    if isinstance(value, Mapping):
        content, path = value.get("bytes"), value.get("path")
        if isinstance(content, (bytes, bytearray, memoryview)):
            return value
        if content is not None:
            return unusable_picture(f"image: 'bytes' must be the encoded picture, got {type(content).__name__}")
        place = None if is_missing(path) else gate(as_text(path))
        return place if place is None or isinstance(place, dict) else {"bytes": None, "path": place}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value) or None
    if isinstance(value, (str, os.PathLike, int, float)) or value is None:
        path = as_text(os.fspath(value) if isinstance(value, os.PathLike) else value).strip()
        return gate(path) if path else None
    if listed(value) is not None:
        # Whatever reads pictures takes the paths in a list for permitted ones.
        return no_picture(value)
    return value
