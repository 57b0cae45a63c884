"""Parquet files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from clfa.errors import DataError
from clfa.tables.compression import compression_of, open_binary
from clfa.tables.names import column_names
from clfa.tables.row import Row, TableOptions
from clfa.tables.table import Stretch, Table

# Rows in memory at once. A hundred rows with encoded images may take megabytes.
_BATCH_ROWS = 256
_BUFFER = 1 << 20
# A file of some hundred bytes can state billions of equal rows. Writers reach a few hundred rows per byte, if all
# values of a column are equal.
_MAX_ROWS_PER_BYTE = 10_000


class ParquetTable(Table):
    """A Parquet file, read by row groups."""

    def __init__(self, path: str, options: TableOptions) -> None:
        super().__init__(path, options)
        if compression_of(path) is not None:
            raise DataError(f"{path}: a compressed Parquet file is not supported; decompress it first.")
        import pyarrow as pa

        try:
            with open_binary(path) as content:
                size = content.seek(0, os.SEEK_END)
            with self._open() as file:
                self._groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
                names = [name for name in file.schema_arrow.names if not name.startswith("__index_level_")]
        except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise DataError(f"{path} is not a Parquet file: {error}") from error
        if (rows := sum(self._groups)) > _MAX_ROWS_PER_BYTE * max(size, 1_000):
            raise DataError(
                f"{path} states {rows:,} rows in {size:,} bytes: no table of posts has so many equal rows, and reading "
                "them would not end. Check where the file comes from."
            )
        self._stored = dict(zip(column_names(names, path, "the schema"), names, strict=True)) if names else {}
        self.columns = tuple(self._stored)

    def _open(self) -> Any:
        import pyarrow.parquet as pq

        # Buffered, so that a row group is never in memory as a whole.
        return pq.ParquetFile(open_binary(self.path), buffer_size=_BUFFER, pre_buffer=False)

    def arrow(self) -> Any:
        """Return the whole table, with the types and metadata of the file."""
        import pyarrow as pa

        try:
            with self._open() as file:
                table = file.read(columns=list(self._stored.values()))
        except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise DataError(f"{self.path} is damaged: {error}") from error
        # Renaming would remove the metadata of the columns.
        return table if list(self.columns) == table.column_names else table.rename_columns(list(self.columns))

    def known_length(self) -> int:
        """See :meth:`clfa.tables.table.Table.known_length`."""
        return sum(self._groups)

    def _rows(self, start: int) -> Iterator[Row]:
        first = before = 0
        while first < len(self._groups) and before + self._groups[first] <= start:
            before += self._groups[first]
            first += 1
        for row in self._of_groups(range(first, len(self._groups)), before, None):
            if row.number > start:
                yield row

    def stretches(self, size: int) -> list[Stretch]:
        """See :meth:`clfa.tables.table.Table.stretches`; a stretch consists of whole row groups."""
        found: list[Stretch] = []
        start = rows = first = 0
        for group, length in enumerate(self._groups):
            if rows and rows + length > size:
                found.append(Stretch(first, rows, start, group))
                start, first, rows = group, first + rows, 0
            rows += length
        if rows:
            found.append(Stretch(first, rows, start, len(self._groups)))
        return found

    def stretch(self, stretch: Stretch, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """See :meth:`clfa.tables.table.Table.stretch`; reads only the needed columns."""
        number = stretch.first
        with self.damage(lambda: number):
            for row in self._of_groups(range(stretch.start, stretch.stop), stretch.first, columns):
                number = row.number
                yield row

    def _of_groups(self, groups: range, number: int, columns: Sequence[str] | None) -> Iterator[Row]:
        names = [name for name in self.columns if columns is None or name in columns]
        wanted = [self._stored[name] for name in names]
        renamed = {stored: name for name, stored in zip(names, wanted, strict=True) if stored != name}
        with self._open() as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=list(groups), columns=wanted):
                # Without columns, a batch still has a number of rows.
                for values in batch.to_pylist() if batch.num_columns else [{} for _ in range(batch.num_rows)]:
                    number += 1
                    for name, value in values.items():
                        if isinstance(value, float) and math.isnan(value):
                            values[name] = None
                    if renamed:
                        values = {renamed.get(name, name): value for name, value in values.items()}
                    yield Row(number, values)
