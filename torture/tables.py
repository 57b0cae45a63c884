"""Hostile tables of every format: each row is read or has its reason, or the table is refused, in every reading alike."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clfa.tables.rows import open_rows
from clfa.tables.shards import plan_shards, shard_rows
from torture import battery
from torture.damage import damaged
from torture.tally import Tally

SECONDS = 5.0
MEGABYTES = 300.0
_PIECES = (
    "a", "so sunny", "déjà vu", "很好", "😀", "\ud83d", "", " ", "nan", "None", "-0.5", "1e400", "=1+1", "x" * 300, "é" * 50,
    '"', '""', "'", ",", ";", "\t", "|", "\n", "\r\n", "\r", "\0", "\ufeff", "\u2028", "\\", "[", "]", "{", "}", "null",
    '["a"]', "../../etc/passwd", "http://x/a.jpg", "true", "0", "1", "\x1b[31m", "\x85", "\u202e",
)  # fmt: skip
_COLUMNS = ("id", "text", "image", "label", "split", "tweet_id", "ID", "", "text", "knowledge", " Text ", "x\ny")
_ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252", "gb18030", "latin-1")


def run(trials: int, seed: int, work: Path, deadline: float, first: int = 0) -> Tally:
    """Try hostile tables.

    Args:
        trials: Number of tables.
        seed: Seed.
        work: Folder for the tables.
        deadline: ``time.monotonic`` after which no further table is tried.
        first: Number of the first table.
    """

    def attempt(random: Random, number: int) -> str:
        suffix, content = make_table(random)
        path = work / f"table{suffix}"
        path.write_bytes(content)
        return read_in_every_way(path, random)

    numbers = range(first, first + trials)
    return battery.run(Tally("tables", seed), attempt, numbers, seconds=SECONDS, megabytes=MEGABYTES, deadline=deadline)


def read_in_every_way(path: Path, random: Random) -> str:
    """Read a table whole, from a row on, and in shards; raise ``AssertionError`` where they differ."""
    table = open_rows(path)
    rows = list(table.rows(0))
    numbers = [row.number for row in rows]
    if numbers != list(range(1, len(rows) + 1)):
        raise AssertionError(f"row numbers {numbers[:20]}")
    for row in rows:
        if row.error is None and set(row.values) - set(table.columns) and table.declares_columns:
            raise AssertionError(f"row {row.number} has columns {sorted(row.values)}, the table {table.columns}")
    if rows and random.random() < 0.3:
        start = random.randrange(len(rows))
        if list(open_rows(path).rows(start)) != rows[start:]:
            raise AssertionError(f"other rows from row {start} on")
    if random.random() < 0.2:
        shards = [row for shard in plan_shards([path.absolute()], 3) for row in shard_rows(shard)]
        if shards != rows:
            raise AssertionError(f"{len(shards)} rows in shards, {len(rows)} in the table")
    bad = sum(row.error is not None for row in rows)
    return "read" if not bad else "read, rows with reasons"


def make_table(random: Random) -> tuple[str, bytes]:
    """Return the suffix and the content of a table, mostly with something wrong."""
    columns = random.choices(_COLUMNS, k=random.randint(1, 5)) if random.random() < 0.5 else ["id", "text", "label"]
    rows = [[_cell(random) for _ in columns] for _ in range(random.randint(0, 8))]
    kind = random.choice((".csv", ".csv", ".tsv", ".jsonl", ".json", ".parquet"))
    if kind == ".parquet":
        content = _parquet(columns, rows)
    else:
        text = (_delimited if kind in (".csv", ".tsv") else _json)(random, kind, columns, rows)
        encoding = random.choice(_ENCODINGS)
        halves = encoding.startswith("utf") and random.random() < 0.2
        content = text.encode(encoding, "surrogatepass" if halves else "replace")
    if content and random.random() < 0.4:
        content = damaged(content, random)
    packed = random.random()
    if packed < 0.03:
        return f"{kind}.gz", gzip.compress(content)
    if packed < 0.05:
        return f"{kind}.bz2", damaged(bz2.compress(content), random)
    return kind, content


def _cell(random: Random) -> str:
    return "".join(random.choices(_PIECES, k=random.choice((0, 1, 1, 1, 2, 5))))


def _delimited(random: Random, kind: str, columns: list[str], rows: list[list[str]]) -> str:
    separator = "\t" if kind == ".tsv" else random.choice(",,,;\t|")
    end = random.choice(("\n", "\n", "\r\n", "\r"))

    def line(cells: list[str]) -> str:
        quoted = (
            '"' + cell.replace('"', '""') + '"' if random.random() < 0.5 and '"' not in cell[:1] else cell
            for cell in cells
        )
        return separator.join(quoted)

    return end.join(line(cells) for cells in [columns, *rows])


def _json(random: Random, kind: str, columns: list[str], rows: list[list[str]]) -> str:
    def value(cell: str) -> Any:
        return random.choice((cell, cell, cell, None, 1, 0.5, True, [cell], {"a": cell}, float("nan"), 10**400))

    records: list[Any] = [{name: value(cell) for name, cell in zip(columns, row, strict=True)} for row in rows]
    if random.random() < 0.2:
        records.insert(random.randint(0, len(records)), random.choice((None, 3, "text", [1], {})))
    ascii_only = random.random() < 0.5
    if kind == ".jsonl":
        return "\n".join(json.dumps(record, ensure_ascii=ascii_only) for record in records)
    shape = random.choice((records, {"data": records}, {str(n): r for n, r in enumerate(records)}))
    return json.dumps(shape, ensure_ascii=ascii_only, indent=random.choice((None, 1)))


def _parquet(columns: list[str], rows: list[list[str]]) -> bytes:
    names = [f"{name}{number}" if name in columns[:number] else name for number, name in enumerate(columns)]
    clean = [[cell.encode("utf-8", "replace").decode() for cell in row] for row in rows]
    buffer = io.BytesIO()
    table = pa.table({name: [row[place] for row in clean] for place, name in enumerate(names)})
    pq.write_table(table, buffer, row_group_size=3)
    return buffer.getvalue()
