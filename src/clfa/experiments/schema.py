"""What an experiment's YAML may say."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from clfa.errors import RecipeError
from clfa.files import atomic_write
from clfa.strict_model import StrictModel

_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MAX_NUMBERS = 10_000


def _numbers(value: Any) -> Any:
    """``[1, "4..6"]`` -> ``[1, 4, 5, 6]``."""
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
    """Which samples; what is given here replaces what the rows' recipes say.

    Args:
        dir: Data directory, file or hub id; ``--data-dir`` replaces it.
        folds: Numbers of published folds, also as ranges (``[1..10]``); ``None`` where the data set has none.
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
        name: What to call it.
        recipe: Recipe's name or YAML file, relative to the experiment's; the experiment's own when not given.
        overrides: ``section.key=value`` each, after those of the experiment.
        group: Heading it stands under.
        matrix: Instead of the experiment's ``matrix``; ``{}`` leaves this row alone.
    """

    name: str = Field(min_length=1)
    recipe: str | None = None
    overrides: list[str] = Field(default_factory=list)
    group: str | None = None
    matrix: Matrix | None = None


class PublishedScores(BaseModel):
    """A published figure to stand beside ours; further numbers (``f1``, ``macro_f1``) are kept as columns.

    Args:
        method: What the paper calls it.
        source: Where the figure was read.
        accuracy: Percent.
        weighted_f1: Percent.
    """

    model_config = ConfigDict(extra="allow")

    method: str
    source: str
    accuracy: float | None = None
    weighted_f1: float | None = None


class Experiment(StrictModel):
    """Rows x folds x seeds.

    Args:
        name: What to call the experiment.
        description: For people.
        recipe: Of rows that name none.
        data: Which samples.
        seeds: One training each; also as ranges.
        rows: What is compared.
        matrix: Expands every row: axis -> values of that key (``model.fusion: [concat, sum]``), or axis -> {label:
            value of the key, or list of ``key=value`` overrides}.
        overrides: Of every row.
        score_test: Score the test split. Leave it false while settings are being chosen.
        baseline_row: The row that all others are tested against.
        compare: Further pairs of rows to test, ``[row, row]`` each.
        metrics: Scores in the table; the first is the one that is tested. Nested ones as ``target.accuracy``.
        published: Figures from papers, or the name of a table that comes with the package (``clfa.report.published``).
        keep: ``metrics`` deletes ``model/`` and ``checkpoints/`` of finished runs; ``model`` leaves all.
        alignment: Which runs keep the students' embeddings before and after training: those of the ``first`` fold and
            seed, ``all`` or ``none``.
        strict: Make the first bad sample fail its run.
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
        """Write as YAML, atomically; :func:`load_experiment` reads it back."""
        with atomic_write(path) as file:
            yaml.safe_dump(self.model_dump(exclude_none=True), file, sort_keys=False, allow_unicode=True, width=110)


def experiment_dir() -> Path:
    """Folder of the experiments that come with the package."""
    return Path(__file__).parent / "files"


def experiment_names() -> list[str]:
    """Names of the experiments that come with the package."""
    return sorted(path.stem for path in experiment_dir().glob("*.yaml"))


def load_experiment(source: str | os.PathLike[str], data_dir: str | None = None) -> Experiment:
    """Read and validate an experiment.

    Args:
        source: A YAML file, or the name of an experiment that comes with the package.
        data_dir: Instead of ``data.dir``.

    Raises:
        RecipeError: When there is no such experiment, it is not YAML, or a key or value is wrong; the message names the
            key and the nearest one that exists.
    """
    path = Path(source)
    if not path.is_file():
        known = experiment_dir() / f"{path.name.removesuffix('.yaml')}.yaml"
        if not known.is_file():
            names = ", ".join(experiment_names())
            raise RecipeError(f"no experiment {str(source)!r}; give a YAML file or one of: {names}.")
        path = known
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not valid YAML: {error}") from error
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


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known here: {', '.join(known)}."


def _beside(path: Path, recipe: str | None) -> str | None:
    """A recipe file named relative to the experiment's own file."""
    if recipe is None or not (path.parent / recipe).is_file():
        return recipe
    return str((path.parent / recipe).resolve())


def _required() -> list[str]:
    return [name for name, field in Experiment.model_fields.items() if field.is_required()]


def _explain(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        got = "" if isinstance(problem["input"], (dict, list)) else f" (got {problem['input']!r})"
        return f"{place + ': ' if place else ''}{problem['msg'].removeprefix('Value error, ')}{got}"
    *parents, last = problem["loc"]
    section: Any = Experiment
    for parent in parents:
        if isinstance(parent, str):
            annotation = section.model_fields[parent].annotation
            section = next((inner for inner in get_args(annotation) if hasattr(inner, "model_fields")), annotation)
    return f"unknown key {place!r}. {nearest(str(last), section.model_fields)}"
