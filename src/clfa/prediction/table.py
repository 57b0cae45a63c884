"""Predictions as flat tables: CSV and Parquet, made from the lines of a finished prediction in bounded memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from clfa.errors import DataError
from clfa.files import atomic_path, atomic_write
from clfa.targets.prediction import prediction_columns
from clfa.targets.target import Target

OUTPUT_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".parquet")
# Rows of a Parquet row group: some megabytes.
GROUP_ROWS = 10_000


def check_output(output: Path) -> None:
    """Check that predictions can be written under this name.

    Raises:
        DataError: For an unknown suffix.
    """
    if output.suffix not in OUTPUT_SUFFIXES:
        raise DataError(f"{output}: unknown suffix {output.suffix!r}; use one of {', '.join(OUTPUT_SUFFIXES)}.")


def table_columns(label_names: Sequence[str], targets: Sequence[Target]) -> dict[str, str]:
    """Columns of a flat table and what they hold: ``text``, ``number`` or ``texts``.

    ``id``, ``prediction``, a ``probability_CLASS`` for each class, and ``error``; with several targets their names
    and a dot stand before ``prediction`` and ``probability_CLASS``.

    Args:
        label_names: Of a model without targets.
        targets: Of the model, or none.
    """
    columns = {"id": "text"}
    if not targets:
        columns |= {"prediction": "text", **{f"probability_{name}": "number" for name in label_names}}
    return {**columns, **prediction_columns(targets), "error": "text"}


def flat_record(record: dict[str, Any]) -> dict[str, Any]:
    """One line of the predictions by the columns of :func:`table_columns`; absent where it has no value."""
    row_id = record["id"]
    text = row_id if isinstance(row_id, str) or row_id is None else json.dumps(row_id, ensure_ascii=False)
    flat: dict[str, Any] = {"id": _whole(text)}
    parts = {f"{name}.": part for name, part in record.get("targets", {}).items()} or {"": record}
    for prefix, part in parts.items():
        flat[f"{prefix}prediction"] = part.get("prediction")
        flat |= {f"{prefix}probability_{name}": p for name, p in part.get("probabilities", {}).items()}
    return {**flat, "error": _whole(record.get("error"))}


def write_table(lines: Path, output: Path, columns: dict[str, str]) -> None:
    """Write a flat table from finished predictions; it appears when it is whole.

    Args:
        lines: Predictions as JSON lines.
        output: ``.csv`` or ``.parquet`` file.
        columns: See :func:`table_columns`.
    """
    if output.suffix == ".parquet":
        _write_parquet(lines, output, columns)
    else:
        _write_csv(lines, output, columns)


def _whole(text: str | None) -> str | None:
    # Half an emoji, which JSON can hold and no table.
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")


def _records(lines: Path) -> Iterator[dict[str, Any]]:
    with open(lines, encoding="utf-8") as file:
        for line in file:
            yield flat_record(json.loads(line))


def _write_csv(lines: Path, output: Path, columns: dict[str, str]) -> None:
    with atomic_write(output, newline="") as file:
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore")
        writer.writeheader()
        for record in _records(lines):
            writer.writerow(
                {k: json.dumps(v, ensure_ascii=False) if isinstance(v, list) else v for k, v in record.items()}
            )


def _write_parquet(lines: Path, output: Path, columns: dict[str, str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"text": pa.string(), "number": pa.float64(), "texts": pa.list_(pa.string())}
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    records = _records(lines)
    with atomic_path(output) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        while group := list(islice(records, GROUP_ROWS)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
