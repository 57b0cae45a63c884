"""Check within a second of what a prediction on tables names, before PyTorch is imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from clfa.jobs.outputs import output_kind
from clfa.jobs.wanted import WantedColumns
from clfa.runs.run_folder import RunFolder
from clfa.runs.trained_place import require_trained
from clfa.tables.row import TableOptions
from clfa.tables.rows import open_rows
from clfa.tables.shards import list_files


def check_early(
    model: str | Path, source: str | Path, output: Path, given: Mapping[str, str | None], tables: TableOptions
) -> None:
    """Check that model and input exist, that the output has a known suffix, and that the given columns exist.

    Args:
        model: Run folder, model directory or hub id.
        source: File, folder or glob pattern of tables.
        output: File or folder to write.
        given: Column names by field, as given by the caller.
        tables: Separator and sheet, as given by the caller.

    Raises:
        ModelError: When there is no trained model.
        DataError: When input, output or columns cannot be used.
    """
    require_trained(model)
    files = list_files(source)
    output_kind(output)
    # Which columns are needed is known with the model.
    wanted = WantedColumns(given, RunFolder(model).read_columns(), (), tables)
    wanted.find(open_rows(files[0], wanted.options))
