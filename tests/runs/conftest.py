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


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch, tiny_run: Path) -> None:
    """Drawing takes half of a tiny run's time; ``tiny_run``, made before, has its pictures."""
    plots = ("targets.single_label.plot_confusion_matrix", "runs.train_one.plot_learning_curves")
    for name in (*plots, "runs.target_report.plot_confidence"):
        monkeypatch.setattr(f"clfa.{name}", lambda *args: None)
