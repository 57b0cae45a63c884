"""The plan of an experiment: the list of its runs."""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clfa.errors import CLFAError, RecipeError
from clfa.experiments.schema import Experiment, ExperimentRow, Matrix
from clfa.nearest import suggestion
from clfa.recipe import Recipe, load_recipe, validate_recipe


@dataclass(frozen=True)
class PlannedRun:
    """One training run.

    Args:
        row: Name of the row, unique in the experiment.
        group: Heading of the row.
        base: Name or file of the row's recipe.
        overrides: ``key=value`` overrides of the row, without those of the experiment.
        recipe: The resolved recipe.
        score_test: Whether the test split is scored.
        strict: Whether the run fails at the first bad sample.
        keep_model: Whether weights and checkpoints are kept after the run.
    """

    row: str
    group: str | None
    base: str
    overrides: tuple[str, ...]
    recipe: Recipe
    score_test: bool
    strict: bool = False
    keep_model: bool = False

    @property
    def fold(self) -> int | None:
        """Published fold."""
        return self.recipe.data.fold

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return self.recipe.seed

    @property
    def slug(self) -> str:
        """Name of the run's folder: row, fold, seed and a digest of all settings that the result depends on.

        A row with changed settings therefore gets new folders and never an old result. Settings with default values
        are not part of the digest, so that a release with further settings still finds old runs.
        """
        settings = self.recipe.model_dump(exclude={"name", "description"}, exclude_defaults=True)
        depends = {**settings, "score_test": self.score_test}
        digest = hashlib.sha256(json.dumps(depends, sort_keys=True, default=str).encode()).hexdigest()[:8]
        fold = "" if self.fold is None else f"-fold{self.fold}"
        return f"{slugify(self.row)}{fold}-seed{self.seed}-{digest}"

    @property
    def label(self) -> str:
        """Row, fold and seed, for messages."""
        return f"{self.row}{'' if self.fold is None else f', fold {self.fold}'}, seed {self.seed}"


def slugify(name: str) -> str:
    """Reduce a name to lower-case letters, digits, dots and dashes; at most 80 characters."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:80] or "row"


def plan_rows(experiment: Experiment) -> list[ExperimentRow]:
    """Return the rows with the matrix expanded; each has a recipe and no matrix.

    Raises:
        RecipeError: When two rows have the same name, or ``baseline_row`` or ``compare`` name an unknown row.
    """
    rows = [expanded for row in experiment.rows for expanded in _expand(row, experiment)]
    names = [row.name for row in rows]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise RecipeError(f"{experiment.name}: two rows are called {repeated[0]!r}; names must differ.")
    wanted = [name for pair in experiment.compare for name in pair]
    for name in [*wanted, *([experiment.baseline_row] if experiment.baseline_row is not None else [])]:
        if name not in names:
            raise RecipeError(f"{experiment.name}: there is no row {name!r} to compare with. {suggestion(name, names)}")
    return rows


def plan_axis(experiment: Experiment, key: str) -> dict[str, str]:
    """Return the rows that the matrix axis ``key`` expands: their names, each with its name without the axis' label.

    Args:
        experiment: The experiment.
        key: Name of an axis, such as ``data.train_limit``.
    """
    families = {}
    for row in experiment.rows:
        matrix = experiment.matrix if row.matrix is None else row.matrix
        if key in matrix:
            place = list(matrix).index(key)
            for labels in itertools.product(*([label for label, _ in _axis(k, v)] for k, v in _axes(matrix))):
                others = [label for position, label in enumerate(labels) if position != place]
                families[", ".join([row.name, *labels])] = ", ".join([row.name, *others])
    return families


def plan_runs(experiment: Experiment) -> list[PlannedRun]:
    """Return all runs, ordered by seed, then fold, then row, so that a partial table is balanced.

    Raises:
        RecipeError: When a row's recipe or override is wrong; the message names the row.
    """
    rows = plan_rows(experiment)
    common = [*_data_overrides(experiment), *experiment.overrides]
    recipes: dict[str, Recipe] = {}
    for row in rows:
        try:
            recipes[row.name] = load_recipe(str(row.recipe), [*common, *row.overrides])
        except RecipeError as error:
            raise RecipeError(f"row {row.name!r}: {error}") from error
    folds: Sequence[int | None] = experiment.data.folds or [None]
    runs = []
    for seed, fold, row in itertools.product(experiment.seeds, folds, rows):
        first = seed == experiment.seeds[0] and fold == folds[0]
        content = recipes[row.name].model_dump()
        content["name"], content["seed"] = row.name, seed
        if fold is not None:
            content["data"]["fold"] = fold
        if experiment.alignment == "all" or (experiment.alignment == "first" and first):
            content["training"]["save_alignment"] = True
        runs.append(
            PlannedRun(
                row=row.name,
                group=row.group,
                base=str(row.recipe),
                overrides=tuple(row.overrides),
                recipe=validate_recipe(content, f"row {row.name!r}"),
                score_test=experiment.score_test,
                strict=experiment.strict,
                keep_model=experiment.keep == "model",
            )
        )
    return runs


def select_rows(runs: Sequence[PlannedRun], patterns: Sequence[str]) -> list[PlannedRun]:
    """Return the runs of the rows that match a pattern (with wildcards ``*`` and ``?``); all runs without patterns.

    Raises:
        RecipeError: When a pattern matches no row.
    """
    if not patterns:
        return list(runs)
    names = list(dict.fromkeys(run.row for run in runs))
    chosen: set[str] = set()
    for pattern in patterns:
        matching = {name for name in names if name == pattern or fnmatch.fnmatchcase(name, pattern)}
        if not matching:
            raise RecipeError(f"no row matches {pattern!r}. {suggestion(pattern, names)}")
        chosen |= matching
    return [run for run in runs if run.row in chosen]


def check_plan(runs: Sequence[PlannedRun]) -> None:
    """Check the names of readers, fusions and guides before the first run.

    Raises:
        RecipeError: When a name is unknown; the message names the row.
    """
    from clfa.runs.names import check_names

    _check(runs, check_names)


def check_names_known(runs: Sequence[PlannedRun]) -> None:
    """Check within a second that the names are known, without importing what they stand for.

    Raises:
        RecipeError: When a name is unknown; the message names the row and the nearest name.
    """
    from clfa.runs.known_names import check_known

    _check(runs, check_known)


def check_data(runs: Sequence[PlannedRun]) -> None:
    """Check within a second that the tables of runs exist, and have the columns that the recipes name.

    Raises:
        DataError: When one does not; the message names the row.
    """
    from clfa.data.readers import check_source

    def check(recipe: Recipe) -> None:
        if recipe.data.dir is not None:
            check_source(recipe.data.reader, recipe.data.dir, recipe.data.options)

    _check(runs, check)


def _check(runs: Sequence[PlannedRun], check: Callable[[Recipe], None]) -> None:
    for name, run in {run.row: run for run in runs}.items():
        try:
            check(run.recipe)
        except CLFAError as error:
            raise type(error)(f"row {name!r}: ", *error.args) from error


def _data_overrides(experiment: Experiment) -> list[str]:
    given = experiment.data.model_dump(exclude={"folds"}, exclude_none=True, exclude_defaults=True)
    options = given.pop("options", {})
    return [_override(f"data.{key}", value) for key, value in given.items()] + [
        _override(f"data.options.{key}", value) for key, value in options.items()
    ]


def _expand(row: ExperimentRow, experiment: Experiment) -> Iterator[ExperimentRow]:
    matrix = experiment.matrix if row.matrix is None else row.matrix
    for cells in itertools.product(*(_axis(key, values) for key, values in _axes(matrix))):
        yield ExperimentRow(
            name=", ".join([row.name, *(label for label, _ in cells)]),
            recipe=row.recipe or experiment.recipe,
            overrides=[*row.overrides, *(override for _, overrides in cells for override in overrides)],
            group=row.group,
            matrix={},
        )


def _axes(matrix: Matrix) -> Iterator[tuple[str, list[Any] | dict[str, Any]]]:
    for key, values in matrix.items():
        if not values:
            raise RecipeError(f"matrix: {key} has no values.")
        yield key, values


def _axis(key: str, values: list[Any] | dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return label and overrides of every value of an axis."""
    if isinstance(values, list):
        return [(f"{key.rpartition('.')[2]} {_show(value)}", [_override(key, value)]) for value in values]
    return [
        (label, list(value) if _is_overrides(value) else [_override(key, value)]) for label, value in values.items()
    ]


def _is_overrides(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and "=" in item for item in value)


def _override(key: str, value: Any) -> str:
    # JSON is valid YAML; its quotes keep a folder name such as 2024 a string.
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def _show(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
