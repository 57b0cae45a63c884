"""Parquet: the flat columns of results, in one file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from clfa.files import atomic_path
from clfa.jobs.outputs.base import FileOutput

# Rows of a row group: some megabytes.
GROUP_ROWS = 10_000


class ParquetOutput(FileOutput):
    """A ``.parquet`` file."""

    def write(self, lines: Iterator[str]) -> None:
        """See :class:`FileOutput`."""
        schema, rows = self.schema, self.flat(lines)
        with atomic_path(self.path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            while group := list(islice(rows, GROUP_ROWS)):
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
