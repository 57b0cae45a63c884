"""Cells of a table turned into vectors of targets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datasets import ClassLabel, Dataset

from clfa.errors import DataError
from clfa.targets.label_names import LabelIndex
from clfa.targets.spec import TargetSpec
from clfa.targets.target import LABEL, MULTI_LABEL, REGRESSION, Target, check_distinct

_ZERO_ONE = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0, "no": 0.0, "yes": 1.0}


class UnusableCell(Exception):
    """A cell that is no label of its target.

    Args:
        reason: In two words, for counting.
        detail: For a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class TargetColumns:
    """Reads the targets of any row of a data set's tables.

    Args:
        specs: By target name.
        tables: Source (for messages) and rows of every table.
        usual: Column of the default ``label`` in each table, for a target of that name without a column.

    Attributes:
        targets: In the order of ``specs``, their classes as given or as found in the tables.
        label_names: Classes of the default label: none.

    Raises:
        DataError: A column that is absent (with those present), or a target without usable classes.
    """

    def __init__(
        self,
        specs: Mapping[str, TargetSpec],
        tables: Sequence[tuple[str, Dataset]],
        usual: Sequence[str | None],
    ) -> None:
        self.specs = dict(specs)
        self._columns = [
            {name: _find(name, spec, source, table, own) for name, spec in self.specs.items()}
            for (source, table), own in zip(tables, usual, strict=True)
        ]
        self._indices: dict[str, LabelIndex] = {}
        self.label_names: list[str] = []
        self.targets: list[Target] = []
        for name, spec in self.specs.items():
            if spec.columns is None and spec.problem_type != REGRESSION:
                columns = [(table, found[name][0]) for (_, table), found in zip(tables, self._columns, strict=True)]
                values = (item for table, column in columns for cell in table[column][:] for item in _items(cell, spec))
                declared = next((names for table, column in columns if (names := _declared(table, column))), None)
                try:
                    self._indices[name] = LabelIndex(values, spec.label_names, declared)
                except DataError as error:
                    raise DataError(f"{', '.join(source for source, _ in tables)}: target {name!r}: {error}") from None
            classes = self._indices[name].names if name in self._indices else spec.classes or []
            self.targets.append(Target(name, spec.problem_type, tuple(classes), spec.weight))
        check_distinct(self.targets)

    def rows(self, table: int, data: Dataset) -> list[tuple[Any, ...]]:
        """The target cells of every row of a table.

        Args:
            table: Its position among the tables given.
            data: Its rows.
        """
        columns = [column for names in self._columns[table].values() for column in names]
        return list(zip(*(data[column][:] for column in columns), strict=True))

    def of(self, cells: Sequence[Any]) -> list[float] | None:
        """Vector of targets, ``None`` where all are missing.

        Args:
            cells: One element of :meth:`rows`.

        Raises:
            UnusableCell: A cell that is no label of its target.
        """
        vector: list[float] = []
        remaining = iter(cells)
        for target in self.targets:
            spec = self.specs[target.name]
            if spec.columns is not None:
                vector += self._indicators(target, spec, [next(remaining) for _ in spec.columns])
            elif spec.problem_type == REGRESSION:
                vector.append(_number(target.name, next(remaining)))
            elif spec.problem_type == MULTI_LABEL:
                vector += self._classes(target, spec, next(remaining))
            else:
                index = self._index(target.name, next(remaining))
                vector.append(math.nan if index is None else float(index))
        return None if all(map(math.isnan, vector)) else vector

    def _index(self, name: str, value: Any) -> int | None:
        labels = self._indices[name]
        try:
            return labels.of(value)
        except KeyError as error:
            known = ", ".join(labels.names)
            raise UnusableCell("unknown label", f"{name}: {error.args[0]!r} is none of {known}") from None

    def _classes(self, target: Target, spec: TargetSpec, cell: Any) -> list[float]:
        if _is_missing(cell):
            return [0.0 if spec.empty_is_none else math.nan] * target.width
        found = {self._index(target.name, item) for item in _items(cell, spec)}
        return [float(index in found) for index in range(target.width)]

    def _indicators(self, target: Target, spec: TargetSpec, cells: list[Any]) -> list[float]:
        assert spec.columns is not None
        missing = [_is_missing(cell) for cell in cells]
        if all(missing) and not spec.empty_is_none:
            return [math.nan] * target.width
        values: dict[str, float] = {}
        for (label, column), cell, empty in zip(spec.columns.items(), cells, missing, strict=True):
            if empty and spec.empty_is_none:
                values[label] = 0.0
                continue
            text = "" if empty else str(cell).strip().lower()
            value = _ZERO_ONE.get(text.removesuffix(".0"))
            if value is None:
                hint = "is empty beside others that are not" if empty else f"holds {cell!r}, neither 0 nor 1"
                raise UnusableCell("unknown label", f"{target.name}: column {column!r} {hint}")
            values[label] = value
        return [values[label] for label in target.label_names]


def _find(name: str, spec: TargetSpec, source: str, table: Dataset, usual: str | None) -> list[str]:
    columns = list(spec.columns.values()) if spec.columns is not None else [spec.column or name]
    if name == LABEL and spec.column is None and spec.columns is None and usual is not None:
        columns = [usual]
    for column in columns:
        if column not in table.column_names:
            raise DataError(
                f"{source}: no column {column!r} for target {name!r}; columns there: {', '.join(table.column_names)}"
            )
    return columns


def _declared(table: Dataset, column: str) -> list[str] | None:
    feature = table.features[column]
    feature = getattr(feature, "feature", feature)
    return list(feature.names) if isinstance(feature, ClassLabel) else None


def _is_missing(cell: Any) -> bool:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return True
    return isinstance(cell, str) and not cell.strip()


def _items(cell: Any, spec: TargetSpec) -> Iterable[Any]:
    """The labels in a cell."""
    if spec.problem_type != MULTI_LABEL or _is_missing(cell):
        return [cell]
    if isinstance(cell, str):
        return [part.strip() for part in cell.split(spec.delimiter) if part.strip()]
    if isinstance(cell, Iterable) and not isinstance(cell, Mapping | bytes):
        return [item for item in cell if not _is_missing(item)]
    return [cell]


def _number(name: str, cell: Any) -> float:
    if _is_missing(cell):
        return math.nan
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = math.inf
    if math.isinf(value):
        raise UnusableCell("not a number", f"{name}: {str(cell)[:80]!r} is not a finite number")
    return value
