"""Conversion of a table, in a file or in memory, to posts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clfa.prediction.post import Post, Prediction
from clfa.tables.access import CLOSED, Access
from clfa.tables.cells import read_cells
from clfa.tables.columns import Columns, find_columns
from clfa.tables.gate import PictureGate, table_folders
from clfa.tables.id_forms import watch_ids
from clfa.tables.memory import MemoryTable
from clfa.tables.row import TableOptions
from clfa.tables.rows import open_rows
from clfa.tables.table import Table


@dataclass(frozen=True)
class TablePost:
    """A row of a table.

    Args:
        id: Its id, or its number from 1.
        post: Its post, or a failed prediction for a row that cannot be read.
        cells: Its cells by column.
    """

    id: str
    post: Post | Prediction
    cells: Mapping[str, Any] = field(default_factory=dict)


def table_posts(
    data: Any,
    run: Columns,
    required: Sequence[str],
    image_root: str | Path | None = None,
    access: Access = CLOSED,
    *,
    options: TableOptions | None = None,
) -> list[Post | Prediction]:
    """Return the post of each row, or a failed prediction for a row that cannot be read.

    Args:
        data: Path of a table, pandas ``DataFrame``, ``datasets.Dataset`` or list of mappings.
        run: Columns of the training table of the model.
        required: Fields that must have a column.
        image_root: Base folder of relative image paths; by default that of the run, else the folder of the file, else
            the working directory.
        access: What rows may open outside of this folder.
        options: Options for reading a file.

    Raises:
        DataError: If the table cannot be read or a required column is missing.
    """
    return [row.post for row in rows_of(data, run, required, image_root, access, options=options)]


def rows_of(
    data: Any,
    run: Columns,
    required: Sequence[str],
    image_root: str | Path | None = None,
    access: Access = CLOSED,
    *,
    options: TableOptions | None = None,
) -> Iterator[TablePost]:
    """Yield the rows of a table, one by one.

    Args:
        data: See :func:`table_posts`, also for the further arguments and errors.
    """
    table: Table
    if isinstance(data, (str, os.PathLike)):
        table = open_rows(os.fspath(data), options or TableOptions(likely_separator=run.separator))
    else:
        table = MemoryTable(data)
    columns = find_columns(
        table.columns,
        table.path,
        run=run,
        declared=table.declares_columns,
        # If no row of a table is readable, its columns are unknown.
        required=required if table.columns or table.declares_columns else (),
        arguments={},
    )
    root = str(image_root or columns.image_root or table.folder)
    named = bool(image_root) or not columns.image_root
    gate = PictureGate(root, access, table_folders(table.folder), named=named)
    for row in watch_ids(table, columns.id, table.path):
        if row.error is not None:
            yield TablePost(str(row.number), Prediction(None, {}, error=row.error, reason="unreadable row"))
            continue
        cells = read_cells(row, columns, gate)
        yield TablePost(cells.id, Post(cells.text, cells.image, cells.knowledge), row.values)
