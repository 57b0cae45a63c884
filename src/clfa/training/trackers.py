"""Trackers of experiments that a training reports to. A new one is a function, an object and one registry line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from clfa.errors import RecipeError
from clfa.registry import Registry

TRACKERS = Registry(
    "tracker",
    {
        "tensorboard": "clfa.training.trackers:TENSORBOARD",
        "mlflow": "clfa.training.trackers:MLFLOW",
        "wandb": "clfa.training.trackers:WANDB",
    },
)


@dataclass(frozen=True)
class Tracker:
    """What a tracker needs besides Transformers' callback of its name, which reports arguments, losses and scores.

    Args:
        package: The package that must be installed; the extra has the tracker's name.
        log_recipe: Function that reports a recipe, given as YAML; it takes the Trainer's callbacks, too.
    """

    package: str
    log_recipe: Callable[[str, Sequence[Any]], None]


def require_trackers(names: Sequence[str]) -> None:
    """Check that trackers exist, and that their packages are installed.

    Args:
        names: Names in :data:`TRACKERS`.

    Raises:
        RecipeError: If one does not; the message has the nearest name, or the extra to install.
    """
    for name in names:
        TRACKERS.require(name)
        package = TRACKERS.get(name).package
        if find_spec(package) is None:
            raise RecipeError(f"training.report_to={name} needs the package {package}; pip install 'clfa[{name}]'.")


def _to_tensorboard(recipe: str, callbacks: Sequence[Any]) -> None:
    for callback in callbacks:
        writer = getattr(callback, "tb_writer", None)
        if writer is not None:
            # Texts are Markdown there; a block of code keeps the lines.
            writer.add_text("recipe", "".join(f"    {line}\n" for line in recipe.splitlines()))


def _to_mlflow(recipe: str, callbacks: Sequence[Any]) -> None:
    import mlflow

    mlflow.log_text(recipe, "recipe.yaml")


def _to_wandb(recipe: str, callbacks: Sequence[Any]) -> None:
    import wandb

    wandb.config.update({"recipe": recipe}, allow_val_change=True)


TENSORBOARD = Tracker("tensorboard", _to_tensorboard)
MLFLOW = Tracker("mlflow", _to_mlflow)
WANDB = Tracker("wandb", _to_wandb)
