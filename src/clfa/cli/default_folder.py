"""The folder of a command's results, where none is named."""

from __future__ import annotations

from pathlib import Path

from clfa.errors import Argument, RecipeError


def default_folder(name: str, suffix: str = "") -> Path:
    """Return ``runs/NAME``.

    Args:
        name: Name in a recipe or experiment, which may come from others.
        suffix: Added to the name.

    Raises:
        RecipeError: If the name is not that of a folder, so that the results would be elsewhere.
    """
    if name.strip() in ("", ".", "..") or any(mark in name for mark in ("/", "\\", "\0")):
        raise RecipeError(f"the name {name!r} is not that of a folder; give the folder with ", Argument("output"), ".")
    return Path("runs") / f"{name}{suffix}"
