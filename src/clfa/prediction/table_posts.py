"""Posts of a table in a file or in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clfa.prediction.post import Post, Prediction
from clfa.tables.cells import read_cells
from clfa.tables.columns import Columns, find_columns
from clfa.tables.memory import MemoryTable
from clfa.tables.row import TableOptions
from clfa.tables.rows import open_rows
from clfa.tables.table import Table


def table_posts(
    data: Any, run: Columns, required: Sequence[str], image_root: str | Path | None = None
) -> list[Post | Prediction]:
    """Return the post of every row, or the failed prediction that stands for a row that cannot be read.

    Args:
        data: Path of a table, pandas ``DataFrame`` or ``datasets.Dataset``.
        run: Columns of the table that the model was trained on.
        required: Fields that must have a column.
        image_root: What relative image paths are relative to; the run's, the file's folder or the working directory
            when not given.

    Raises:
        DataError: When the table cannot be read, or lacks a column.
    """
    table: Table
    if isinstance(data, (str, os.PathLike)):
        table = open_rows(os.fspath(data), TableOptions(likely_separator=run.separator))
    else:
        table = MemoryTable(data)
    columns = find_columns(
        table.columns,
        table.path,
        run=run,
        declared=table.declares_columns,
        # A table of which no row is readable has no columns to be missed.
        required=required if table.columns or table.declares_columns else (),
    )
    root = str(image_root or columns.image_root or table.folder)
    posts: list[Post | Prediction] = []
    for row in table:
        if row.error is not None:
            posts.append(Prediction(None, {}, error=row.error, reason="unreadable row"))
            continue
        cells = read_cells(row, columns, root)
        posts.append(Post(cells.text, cells.image, cells.knowledge))
    return posts
