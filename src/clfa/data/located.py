"""Pictures named in a table, found from the table's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clfa.data.images import is_address


def located(image: Any, folder: Path) -> Any:
    """Return a relative path as one below ``folder``; everything else stays."""
    if isinstance(image, dict):
        return {**image, "path": located(image["path"], folder)} if image.get("path") else image
    if isinstance(image, str) and image and not is_address(image) and not Path(image).is_absolute():
        return str(folder / image)
    return image
