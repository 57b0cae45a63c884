"""The schema of an experiment's YAML file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from clfa.errors import RecipeError
from clfa.files import atomic_write
from clfa.named_yaml import read_named_yaml
from clfa.nearest import suggestion
from clfa.strict_model import StrictModel, problem_text

_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MAX_NUMBERS = 10_000


def _numbers(value: Any) -> Any:
    """Expand ranges: ``[1, "4..6"]`` -> ``[1, 4, 5, 6]``."""
    items = value if isinstance(value, list) else [value]
    numbers: list[Any] = []
    for item in items:
        match = _RANGE.fullmatch(item.strip()) if isinstance(item, str) else None
        if match is None:
            numbers.append(item)
            continue
        first, last = int(match[1]), int(match[2])
        if not first <= last < first + _MAX_NUMBERS:
            raise ValueError(f"{item!r} is not a range of at most {_MAX_NUMBERS:,} numbers, small..large")
        numbers += range(first, last + 1)
    return numbers


def _distinct(numbers: list[int]) -> list[int]:
    repeated = {number for number in numbers if numbers.count(number) > 1}
    if repeated:
        raise ValueError(f"repeated: {', '.join(map(str, sorted(repeated)))}")
    return numbers


Numbers = Annotated[list[Annotated[int, Field(ge=0)]], BeforeValidator(_numbers), Field(min_length=1)]
Matrix = dict[str, list[Any] | dict[str, Any]]


class DataPart(StrictModel):
    """The data; values given here replace those of the rows' recipes.

    Args:
        dir: Data directory, file or hub id; ``--data-dir`` replaces it.
        folds: Numbers of published folds, also as ranges (``[1..10]``); ``None`` if the data set has no folds.
        reader: Name of a reader.
        limit: At most this many samples per split.
        options: Options of the reader.
    """

    dir: str | None = None
    folds: Numbers | None = None
    reader: str | None = None
    limit: int | None = Field(default=None, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)


class ExperimentRow(StrictModel):
    """One row of the table.

    Args:
        name: Name of the row.
        recipe: Name of a recipe, or a YAML file relative to the experiment's file; the experiment's recipe when not
            given.
        overrides: ``section.key=value`` each, applied after those of the experiment.
        group: Heading of the row in tables.
        matrix: Replaces the experiment's ``matrix`` for this row; ``{}`` for no expansion.
    """

    name: str = Field(min_length=1)
    recipe: str | None = None
    overrides: list[str] = Field(default_factory=list)
    group: str | None = None
    matrix: Matrix | None = None


class PublishedScores(BaseModel):
    """Published scores of a method, for comparison; further numbers (``f1``, ``macro_f1``) are kept as columns.

    Args:
        method: Name of the method in the paper.
        source: Where the scores were published.
        accuracy: Percent.
        weighted_f1: Percent.
    """

    model_config = ConfigDict(extra="allow")

    method: str
    source: str
    accuracy: float | None = None
    weighted_f1: float | None = None


class Experiment(StrictModel):
    """An experiment: training runs for rows x folds x seeds.

    Args:
        name: Name of the experiment.
        description: Description for the reader of the report.
        recipe: Recipe of the rows without a recipe.
        data: The data.
        seeds: One run per seed; also as ranges.
        rows: The rows to compare.
        matrix: Expands every row: axis -> values of that key (``model.fusion: [concat, sum]``), or axis -> {label:
            value of the key, or list of ``key=value`` overrides}.
        overrides: Overrides of every row.
        score_test: Score the test split. Keep it false while settings are being chosen.
        baseline_row: The row that all others are tested against.
        compare: Further pairs of rows to test, ``[row, row]`` each.
        metrics: Scores in the table; the first one is tested. Nested scores as ``target.accuracy``.
        published: Scores from papers, or the name of a table in the package (``clfa.report.published``).
        keep: ``metrics`` deletes ``model/`` and ``checkpoints/`` of finished runs; ``model`` keeps everything.
        alignment: Runs that save the students' embeddings before and after training: those of the ``first`` fold and
            seed, ``all`` or ``none``.
        strict: Make a run fail at its first bad sample.
    """

    name: str = Field(min_length=1)
    description: str = ""
    recipe: str | None = None
    data: DataPart = Field(default_factory=DataPart)
    seeds: Numbers = Field(default=[1])
    rows: list[ExperimentRow] = Field(min_length=1)
    matrix: Matrix = Field(default_factory=dict)
    overrides: list[str] = Field(default_factory=list)
    score_test: bool = False
    baseline_row: str | None = None
    compare: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(default_factory=list)
    metrics: list[str] = Field(default=["accuracy", "weighted_f1", "macro_f1"], min_length=1)
    published: str | list[PublishedScores] = Field(default_factory=list)
    keep: Literal["metrics", "model"] = "metrics"
    alignment: Literal["first", "all", "none"] = "first"
    strict: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Experiment:
        _distinct(self.seeds)
        _distinct(self.data.folds or [])
        for row in self.rows:
            if row.recipe is None and self.recipe is None:
                raise ValueError(f"row {row.name!r} has no recipe, and the experiment names none for all rows")
        return self

    @property
    def split(self) -> str:
        """The split whose scores are reported."""
        return "test" if self.score_test else "validation"

    def save(self, path: Path) -> None:
        """Write the experiment as YAML, atomically; :func:`load_experiment` reads it."""
        with atomic_write(path) as file:
            yaml.safe_dump(self.model_dump(exclude_none=True), file, sort_keys=False, allow_unicode=True, width=110)


def experiment_dir() -> Path:
    """Return the folder of the experiments in the package."""
    return Path(__file__).parent / "files"


def experiment_names() -> list[str]:
    """Return the names of the experiments in the package."""
    return sorted(path.stem for path in experiment_dir().glob("*.yaml"))


def load_experiment(source: str | os.PathLike[str], data_dir: str | None = None) -> Experiment:
    """Read and validate an experiment.

    Args:
        source: A YAML file, or the name of an experiment in the package.
        data_dir: Replaces ``data.dir``.

    Raises:
        RecipeError: When there is no such experiment, it is not YAML, or a key or value is wrong; the message names the
            key and the nearest known one.
    """
    path, content = read_named_yaml(source, experiment_dir(), "experiment")
    if not isinstance(content, dict):
        raise RecipeError(f"{path} is not an experiment; its top level needs the keys {', '.join(_required())}.")
    content.setdefault("name", path.stem)
    try:
        experiment = Experiment.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{path}: " + "; ".join(_explain(problem) for problem in error.errors())) from error
    if data_dir is not None:
        experiment.data.dir = data_dir
    experiment.recipe = _beside(path, experiment.recipe)
    for row in experiment.rows:
        row.recipe = _beside(path, row.recipe)
    return experiment


def _beside(path: Path, recipe: str | None) -> str | None:
    """Resolve a recipe file relative to the experiment's file; return names of recipes unchanged."""
    if recipe is None or not (path.parent / recipe).is_file():
        return recipe
    return str((path.parent / recipe).resolve())


def _required() -> list[str]:
    return [name for name, field in Experiment.model_fields.items() if field.is_required()]


def _explain(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        got = "" if isinstance(problem["input"], (dict, list)) else f" (got {problem['input']!r})"
        return f"{place + ': ' if place else ''}{problem_text(problem, got)}"
    *parents, last = problem["loc"]
    section: Any = Experiment
    for parent in parents:
        if isinstance(parent, str):
            annotation = section.model_fields[parent].annotation
            section = next((inner for inner in get_args(annotation) if hasattr(inner, "model_fields")), annotation)
    return f"unknown key {place!r}. {suggestion(str(last), section.model_fields)}"
