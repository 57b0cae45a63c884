"""``clfa tune``."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from clfa.cli.default_folder import default_folder
from clfa.errors import RecipeError
from clfa.terminal import echo


def tune(
    recipe: Annotated[str, typer.Argument(help="Recipe's YAML file with a section `tune`, or a known name.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Overrides, such as `tune.model.alpha={low: 0, high: 1}`."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder of the search. Default: runs/NAME-tuned.")] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Data directory, table file, or hub id.", show_default=False)
    ] = None,
    trials: Annotated[int, typer.Option(help="Number of trials, those of earlier calls among them.", min=1)] = 20,
) -> None:
    """Search a recipe's space for the best score on the validation split; bad trials end early.

    The test split is not scored. The same command continues a search that was interrupted. The winner is
    OUTPUT/best.yaml, a recipe for `clfa train`; all trials are in OUTPUT/trials.csv. Needs `clfa[tune]`.
    """
    from clfa.recipe import load_recipe
    from clfa.runs.known_names import check_encoders, check_known

    changes = list(overrides or [])
    changes += [f"data.dir={json.dumps(data_dir, ensure_ascii=False)}"] if data_dir is not None else []
    settings = load_recipe(recipe, changes)
    check_known(settings)
    check_encoders(settings)
    if find_spec("optuna") is None:
        raise RecipeError("a search needs optuna; pip install 'clfa[tune]'.")
    from clfa.tuning.search import tune as search

    def show(trial: Any) -> None:
        score = f"{trial.value:.4f}" if trial.state.name == "COMPLETE" else trial.state.name.lower()
        chosen = ", ".join(f"{key}={value}" for key, value in trial.params.items())
        echo(f"trial {trial.number}: {score}  {chosen}")

    found = search(settings, output or default_folder(settings.name, "-tuned"), trials, report=show)
    counts = ", ".join(f"{count} {state}" for state, count in found.states.items())
    chosen = ", ".join(f"{key}={value}" for key, value in found.settings.items())
    echo(f"{counts}. Best on validation: {found.score:.4f} with {chosen}")
    echo(f"Train it with `clfa train {found.path} --output DIR`.")
