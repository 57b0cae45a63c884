"""Which columns of a table a worker reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clfa.tables.columns import Columns, find_columns
from clfa.tables.row import TableOptions
from clfa.tables.table import Table

# What of a run's columns decides a result.
_USED = ("id", "text", "image", "knowledge", "image_root", "separator")


@dataclass(frozen=True)
class WantedColumns:
    """Columns to be found in each table; see :func:`clfa.tables.columns.find_columns`.

    Args:
        given: Column by field, as the caller gave them.
        run: Columns of the table that the model was trained on.
        required: Fields that must have a column.
        tables: What the files themselves do not say, as the caller gave it.
    """

    given: Mapping[str, str | None] = field(default_factory=dict)
    run: Columns | None = None
    required: tuple[str, ...] = ()
    tables: TableOptions = field(default_factory=TableOptions)

    @property
    def options(self) -> TableOptions:
        """How tables are to be read."""
        return self.tables if self.run is None else replace(self.tables, likely_separator=self.run.separator)

    def find(self, table: Table) -> Columns:
        """Return the columns of a table.

        Raises:
            DataError: When one that was given or is required is not there.
        """
        # A table of which no row is readable has no columns to be missed.
        required = self.required if table.columns or table.declares_columns else ()
        return find_columns(
            table.columns,
            table.path,
            given=self.given,
            run=self.run,
            declared=table.declares_columns,
            required=required,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what results depend on, as JSON values."""
        run = None if self.run is None else {name: getattr(self.run, name) for name in _USED}
        tables = {"separator": self.tables.separator, "sheet": self.tables.sheet}
        return {"given": dict(self.given), "run": run, **{key: value for key, value in tables.items() if value}}
