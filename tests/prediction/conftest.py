from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clfa.recipe import Recipe, load_recipe


@pytest.fixture
def tiny_recipe(tiny_overrides: list[str]) -> Callable[..., Recipe]:
    """A recipe over a table, made tiny, with further overrides."""

    def make(table: Path | None, *overrides: str, recipe: str = "offline") -> Recipe:
        place = [] if table is None else [f"data.dir={table}"]
        return load_recipe(recipe, [*tiny_overrides, *place, *overrides])

    return make
