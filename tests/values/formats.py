"""The same rows as a table in every format."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

Rows = Sequence[dict[str, Any]]


def _delimited(suffix: str, delimiter: str) -> Callable[[Rows, Path], Path]:
    def write(rows: Rows, folder: Path) -> Path:
        path = folder / f"posts{suffix}"
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


def _json_lines(rows: Rows, folder: Path) -> Path:
    path = folder / "posts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _json_array(rows: Rows, folder: Path) -> Path:
    path = folder / "posts.json"
    path.write_text(json.dumps(list(rows)), encoding="utf-8")
    return path


def _parquet(rows: Rows, folder: Path) -> Path:
    path = folder / "posts.parquet"
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def _frame(rows: Rows, folder: Path) -> pd.DataFrame:
    return pd.DataFrame(rows)


def _dataset(rows: Rows, folder: Path) -> Dataset:
    return Dataset.from_list(list(rows))


def _tensors(rows: Rows, folder: Path) -> Dataset:
    return Dataset.from_list(list(rows)).with_format("torch")


def _dicts(rows: Rows, folder: Path) -> list[dict[str, Any]]:
    return list(rows)


# Format -> function that writes rows to a folder, and returns what a reader or a predictor takes.
TYPED: dict[str, Callable[[Rows, Path], Any]] = {
    "jsonl": _json_lines,
    "json": _json_array,
    "parquet": _parquet,
    "frame": _frame,
    "dataset": _dataset,
    "tensors": _tensors,
    "dicts": _dicts,
}
TEXT: dict[str, Callable[[Rows, Path], Any]] = {"csv": _delimited(".csv", ","), "tsv": _delimited(".tsv", "\t")}
FORMATS = {**TEXT, **TYPED}
