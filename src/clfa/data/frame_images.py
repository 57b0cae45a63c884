"""Image cells of data frames, which Arrow cannot store as they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from PIL import Image

from clfa.data.images import is_array, read_image_bytes
from clfa.errors import ImageError
from clfa.tables.columns import USUAL_NAMES, column_key
from clfa.tables.missing import is_missing
from clfa.tables.pictures import listed, no_picture, pictures_of, unusable_picture

if TYPE_CHECKING:
    import pandas


_STORABLE = (bytes, bytearray, Mapping, os.PathLike)


def storable_images(frame: pandas.DataFrame, image: str | None = None) -> pandas.DataFrame:
    """Return a data frame whose columns of images can be stored by Arrow.

    Only a column that may be that of the images changes, and only if it has a PIL image, an array, or a list with
    anything but texts and numbers in it. Cells become lists of ``{"bytes", "path"}``; a picture that cannot be decoded
    is an error of its own row only.

    Args:
        frame: The data frame; it is not changed.
        image: Column of the images; by default those with a usual name.
    """
    if not frame.columns.is_unique:
        return frame
    usual = {column_key(name) for name in (USUAL_NAMES["image"] if image is None else [image])}
    changed = frame.copy(deep=False)
    for name in frame.columns:
        if column_key(str(name)) not in usual or frame[name].dtype != object:
            continue
        if any(_unstorable(cell) for cell in frame[name]):
            cells: Any = [_stored(cell) for cell in frame[name]]
            changed[name] = cells
    return changed


def _unstorable(cell: Any) -> bool:
    if _in_memory(cell):
        return True
    entries = None if isinstance(cell, str) else listed(cell)
    return any(_in_memory(entry) or isinstance(entry, _STORABLE) for entry in entries or ())


def _in_memory(picture: Any) -> bool:
    return isinstance(picture, Image.Image) or (is_array(picture) and picture.ndim > 1)


def _stored(cell: Any) -> list[dict[str, Any]] | None:
    if is_missing(cell):
        return None
    entries = listed(cell)
    pictures = [_stored_picture(picture) for picture in pictures_of(cell if entries is None else entries)]
    return pictures or None


def _stored_picture(picture: Any) -> dict[str, Any]:
    if isinstance(picture, Mapping):
        return {"bytes": picture.get("bytes"), "path": picture.get("path")}
    if isinstance(picture, (bytes, bytearray)):
        return {"bytes": bytes(picture), "path": None}
    if _in_memory(picture):
        try:
            return {"bytes": read_image_bytes(picture), "path": None}
        except ImageError as error:
            return unusable_picture(str(error))
    if isinstance(picture, (str, os.PathLike, int, float)):
        return {"bytes": None, "path": str(picture)}
    return no_picture(picture)
