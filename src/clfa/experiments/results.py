"""The table of results of an experiment: one line per run that finished or failed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from clfa.errors import DataError
from clfa.experiments.execute import is_whole, read_error, run_path
from clfa.experiments.plan import PlannedRun
from clfa.files import atomic_path, atomic_write
from clfa.locks import file_lock
from clfa.sheets import write_frame
from clfa.yaml_text import parse_yaml

# Metrics that are not copied because the plan has columns with these names.
_PLANNED = {"recipe", "seed", "fold"}


def flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings with keys ``a.b.c``; lists, such as confusion matrices, are left out.

    Example:
        >>> dict(flatten({"a": {"b": 1, "c": [1, 2]}, "d": None}))
        {'a.b': 1, 'd': None}
    """
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        elif not isinstance(value, (list, tuple)):
            yield f"{prefix}{key}", value


class Results:
    """Collects the table repeatedly while runs finish; each run folder is read once.

    Args:
        directory: The experiment's folder.
        runs: All planned runs.
    """

    def __init__(self, directory: Path, runs: Sequence[PlannedRun]) -> None:
        self.directory, self.runs = directory, runs
        self._finished: dict[str, dict[str, Any]] = {}

    def collect(self) -> pd.DataFrame:
        """Return the table: one line per run that finished or failed, in the order of the plan."""
        lines = []
        for run in self.runs:
            if run.slug not in self._finished:
                metrics = run_path(self.directory, run) / "metrics.json"
                if not is_whole(metrics):
                    error = read_error(self.directory, run)
                    if error:
                        lines.append({**_planned(run), "status": "failed", "error": error})
                    continue
                scores = flatten(json.loads(metrics.read_text(encoding="utf-8")))
                found = {key: value for key, value in scores if key not in _PLANNED}
                self._finished[run.slug] = {**_planned(run), "status": "finished", "error": None, **found}
            lines.append(self._finished[run.slug])
        first = list(_planned(self.runs[0])) if self.runs else []
        frame = pd.DataFrame(lines, columns=None if lines else [*first, "status", "error"])
        return frame.apply(_one_type)

    def write(self) -> pd.DataFrame:
        """Write ``results.parquet`` and ``results.csv``, each atomically, and return the table."""
        self.directory.mkdir(parents=True, exist_ok=True)
        # With two processes in one folder, a table that was collected earlier must not overwrite a newer one.
        with file_lock(self.directory / "results.lock"):
            frame = self.collect()
            with atomic_write(self.directory / "results.csv") as file:
                write_frame(file, frame)
            with atomic_path(self.directory / "results.parquet") as temporary:
                frame.to_parquet(temporary, index=False, write_page_checksum=True)
        return frame


def write_results(directory: Path, runs: Sequence[PlannedRun]) -> pd.DataFrame:
    """Collect the table from the run folders, write it and return it."""
    return Results(directory, runs).write()


def read_results(directory: Path) -> pd.DataFrame:
    """Read the table of an experiment.

    Raises:
        DataError: When the folder holds no table, or a damaged one.
    """
    path = directory / "results.parquet"
    if not path.is_file():
        raise DataError(
            f"{directory} holds no results.parquet; make it with `clfa experiment FILE --output {directory}`."
        )
    try:
        return pq.read_table(path, page_checksum_verification=True).to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(
            f"{path} is damaged ({error}); `clfa experiment` with the same arguments writes it anew."
        ) from error


def _planned(run: PlannedRun) -> dict[str, Any]:
    settings = dict(override.partition("=")[::2] for override in run.overrides)
    return {
        "row": run.row,
        "group": run.group,
        "recipe": run.base,
        "fold": run.fold,
        "seed": run.seed,
        "run": run.slug,
        "overrides": " ".join(run.overrides),
        **{f"set.{key}": _plain(value) for key, value in settings.items()},
        **{f"config.{key}": value for key, value in _configuration(run)},
    }


def _configuration(run: PlannedRun) -> Iterator[tuple[str, Any]]:
    # Unlike in flatten, lists are kept, as JSON.
    def cells(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in content.items():
            if isinstance(value, Mapping):
                yield from cells(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}", json.dumps(value) if isinstance(value, (list, tuple)) else value

    return cells(run.recipe.model_dump(exclude={"name", "description"}), "")


def _plain(value: str) -> Any:
    parsed = parse_yaml(value)
    # Null is kept as text, because an empty cell means that the row does not set the key.
    return json.dumps(parsed) if parsed is None or isinstance(parsed, (dict, list)) else parsed


def _one_type(column: pd.Series) -> pd.Series:
    """Convert a column to one type for Parquet: integers stay integers beside empty cells, mixed types become text."""
    given = column.dropna()
    types = {type(value) for value in given}
    if not types:
        return column.astype("object")
    if all(isinstance(value, bool) for value in given):
        return column.astype("boolean")
    if bool not in types and all(pd.api.types.is_number(value) for value in given):
        if all(float(value).is_integer() for value in given) and not any(isinstance(value, float) for value in given):
            return column.astype("Int64")
        return column.astype("float64")
    return column.map(lambda value: value if isinstance(value, str) or pd.isna(value) else str(value))
