"""Selection of the columns that a worker reads from a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clfa.tables.access import CLOSED, Access
from clfa.tables.columns import Columns, find_columns
from clfa.tables.row import TableOptions
from clfa.tables.table import Table

# Column settings of a run that affect results.
_USED = ("id", "text", "image", "knowledge", "image_root", "separator")


# Arguments of the functions that start jobs, by field.
_ARGUMENTS = {"id": "identifier", "text": "text", "image": "image", "knowledge": "knowledge"}


@dataclass(frozen=True)
class WantedColumns:
    """Columns to find in each table; see :func:`clfa.tables.columns.find_columns`.

    Args:
        given: Column names by field, as given by the caller.
        run: Columns of the training table of the model.
        required: Fields that must have a column.
        tables: Separator and sheet of the input tables, where the caller gave them.
        access: What rows may open.
    """

    given: Mapping[str, str | None] = field(default_factory=dict)
    run: Columns | None = None
    required: tuple[str, ...] = ()
    tables: TableOptions = field(default_factory=TableOptions)
    access: Access = CLOSED

    @property
    def options(self) -> TableOptions:
        """How tables are to be read."""
        return self.tables if self.run is None else replace(self.tables, likely_separator=self.run.separator)

    def find(self, table: Table) -> Columns:
        """Return the columns of a table.

        Raises:
            DataError: If a given or required column does not exist.
        """
        # If no row of a table is readable, its columns are unknown.
        required = self.required if table.columns or table.declares_columns else ()
        return find_columns(
            table.columns,
            table.path,
            given=self.given,
            run=self.run,
            declared=table.declares_columns,
            required=required,
            arguments=_ARGUMENTS,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that affect results, as JSON values."""
        run = None if self.run is None else {name: getattr(self.run, name) for name in _USED}
        tables = {"separator": self.tables.separator, "sheet": self.tables.sheet}
        access = {} if self.access == CLOSED else {"access": self.access.to_dict()}
        return {"given": dict(self.given), "run": run, **{k: v for k, v in tables.items() if v}, **access}
