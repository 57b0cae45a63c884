"""Conversion of table cells to target vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import ClassLabel, Dataset

from clfa.errors import DataError
from clfa.nearest import did_you_mean
from clfa.targets import PROBLEM_TYPES
from clfa.targets.cells import UnusableCell
from clfa.targets.fields import LABEL
from clfa.targets.label_names import LabelIndex
from clfa.targets.spec import TargetSpec
from clfa.targets.target import Target, check_distinct


class TargetColumns:
    """Reader of the targets in a data set's tables.

    Args:
        specs: Target specifications by target name.
        tables: Source (for messages) and rows of each table.
        usual: Column of the default ``label`` in each table, for a target of this name without a column.
        default: Whether ``specs`` is the default label only. A table may then have no label column, and messages do
            not name the target.
        mixed: For each table the cells of its columns of mixed types, which its rows have as text: they give the types
            of the classes.

    Attributes:
        targets: Targets in the order of ``specs``, with classes as given or found in the tables.

    Raises:
        DataError: If a column is absent (the message lists the columns), or a target has no usable classes.
    """

    def __init__(
        self,
        specs: Mapping[str, TargetSpec],
        tables: Sequence[tuple[str, Dataset]],
        usual: Sequence[str | None],
        default: bool = False,
        mixed: Sequence[Mapping[str, Sequence[Any]]] = (),
    ) -> None:
        self._default = default
        self.specs = dict(specs)
        self._columns = [
            {name: _find(name, spec, source, table, own, default) for name, spec in self.specs.items()}
            for (source, table), own in zip(tables, usual, strict=True)
        ]
        self._indices: dict[str, LabelIndex] = {}
        self.targets: list[Target] = []
        for name, spec in self.specs.items():
            kind = PROBLEM_TYPES.get(spec.problem_type)
            if spec.columns is None and kind.has_classes:
                places = [(table, found[name][0]) for (_, table), found in zip(tables, self._columns, strict=True)]
                columns = [(table, column) for table, column in places if column is not None]
                others = mixed or [{}] * len(tables)
                cells = (
                    cell
                    for (table, column), other in zip(places, others, strict=True)
                    if column is not None
                    for cell in (other[column] if column in other else table[column][:])
                )
                values = (item for cell in cells for item in kind.items(cell, spec))
                declared = next((names for table, column in columns if (names := _declared(table, column))), None)
                try:
                    self._indices[name] = LabelIndex(values, spec.label_names, declared)
                except DataError as error:
                    if not any(len(table) for table, _ in places):
                        raise DataError(f"{', '.join(source for source, _ in tables)}: there are no rows.") from None
                    read = dict.fromkeys(column for _, column in columns)
                    which = f"column {', '.join(map(repr, read))}: " if read else ""
                    which = which if default else f"target {name!r}: "
                    raise DataError(f"{', '.join(source for source, _ in tables)}: {which}", *error.args) from None
            classes = self._indices[name].names if name in self._indices else spec.classes or []
            types = self._indices[name].types if name in self._indices else None
            self.targets.append(Target(name, spec.problem_type, tuple(classes), spec.weight, label_types=types))
        check_distinct(self.targets)

    @property
    def columns(self) -> dict[str, list[str]]:
        """Columns of each target in the first table, by target name."""
        return {target: [name for name in names if name is not None] for target, names in self._columns[0].items()}

    def column(self, target: str, table: int) -> str | None:
        """Return the only column of a target in a table; ``None`` if there is none, or several.

        Args:
            target: Name of the target.
            table: Position of the table in ``tables``.
        """
        names = self._columns[table][target]
        return names[0] if len(names) == 1 else None

    def rows(self, table: int, data: Dataset) -> list[tuple[Any, ...]]:
        """Return the target cells of each row of a table.

        Args:
            table: Position of the table in ``tables``.
            data: Its rows.
        """
        columns = [column for names in self._columns[table].values() for column in names]
        absent = [None] * len(data)
        return list(zip(*(absent if column is None else data[column][:] for column in columns), strict=True))

    def of(self, cells: Sequence[Any]) -> list[float] | None:
        """Return the target vector of a row, or ``None`` if all targets are missing.

        Args:
            cells: One element of :meth:`rows`.

        Raises:
            UnusableCell: If a cell is not a label of its target.
        """
        vector: list[float] = []
        remaining = iter(cells)
        for target in self.targets:
            spec = self.specs[target.name]
            own = [next(remaining) for _ in spec.columns or (None,)]
            try:
                vector += target.kind.decode(own, spec, self._indices.get(target.name))
            except UnusableCell as problem:
                which = "" if self._default else f"{target.name}: "
                raise UnusableCell(problem.reason, f"{which}{problem.detail}") from None
        return None if all(map(math.isnan, vector)) else vector


def _find(
    name: str, spec: TargetSpec, source: str, table: Dataset, usual: str | None, default: bool
) -> list[str] | list[None]:
    if default and usual is None:
        return [None]
    columns = list(spec.columns.values()) if spec.columns is not None else [spec.column or name]
    if name == LABEL and spec.column is None and spec.columns is None and usual is not None:
        columns = [usual]
    for column in columns:
        if column not in table.column_names:
            raise DataError(
                f"{source}: no column {column!r} for target {name!r}; columns there: {', '.join(table.column_names)}."
                f"{did_you_mean(column, table.column_names)}"
            )
    return columns


def _declared(table: Dataset, column: str) -> list[str] | None:
    feature = table.features[column]
    feature = getattr(feature, "feature", feature)
    return list(feature.names) if isinstance(feature, ClassLabel) else None
