"""Recipes come from others, too: their name decides no folder but one below ``runs``."""

from __future__ import annotations

from pathlib import Path

import pytest

from clfa.cli.default_folder import default_folder
from clfa.errors import RecipeError


@pytest.mark.parametrize("name", ["../../home", "/etc/x", "a/b", "..", ".", " ", "", "a\\b", "a\0"])
def test_names_that_lead_elsewhere(name: str) -> None:
    with pytest.raises(RecipeError) as caught:
        default_folder(name)
    assert str(caught.value) == f"the name {name!r} is not that of a folder; give the folder with output."


def test_names_of_folders() -> None:
    assert default_folder("my recipe, v1.2 \u4e2d") == Path("runs", "my recipe, v1.2 \u4e2d")
    assert default_folder("x", "-tuned") == Path("runs/x-tuned")
