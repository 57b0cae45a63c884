"""Parquet, Excel, compressed files, and what all formats have in common."""

from __future__ import annotations

import bz2
import datetime
import gzip
import lzma
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clfa.errors import DataError
from clfa.tables.formats import is_table, table_suffix
from clfa.tables.row import Row, TableOptions
from clfa.tables.rows import open_rows

ROWS = [{"id": "a", "text": "so, sunny"}, {"id": "b", "text": None}, {"id": "c", "text": "è"}]
CSV = 'id,text\na,"so, sunny"\nb,\nc,è\n'.encode()


def excel(path: Path, *rows: list[Any], sheets: tuple[str, ...] = ("posts",)) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def zstandard(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", zstandard),
        (".GZ", gzip.compress),
    ],
)
def test_compressed_files(tmp_path: Path, suffix: str, compress: Any) -> None:
    path = tmp_path / f"posts.csv{suffix}"
    # Files that were appended to have two compressed parts.
    path.write_bytes(compress(CSV[:20]) + compress(CSV[20:]))
    assert list(open_rows(path)) == [Row(n, row) for n, row in enumerate(ROWS, start=1)]
    path = tmp_path / f"posts.JSONL{suffix}"
    path.write_bytes(compress('{"id": "a"}\n{"id": "é"}\n'.encode("utf-16")))
    assert [row.values for row in open_rows(path)] == [{"id": "a"}, {"id": "é"}]
    assert [part.rows for part in open_rows(path).stretches(1)] == [1, 1]
    (tmp_path / f"posts.parquet{suffix}").write_bytes(b"")
    with pytest.raises(DataError, match="a compressed Parquet file is not supported; decompress it first"):
        open_rows(tmp_path / f"posts.parquet{suffix}")


def test_suffixes() -> None:
    assert [
        table_suffix(name) for name in ("a/b.CSV", "b.csv.gz", "zip://x.jsonl::a.zip", "s3://b/x.tsv.ZST", "gz")
    ] == [
        ".csv",
        ".csv",
        ".jsonl",
        ".tsv",
        "",
    ]
    assert [is_table(name) for name in ("a.Csv", "a.csv.xz", "a.gz", "a.txt")] == [True, True, False, False]


def test_excel(tmp_path: Path) -> None:
    day = datetime.datetime(2024, 2, 1)
    path = excel(
        tmp_path / "t.XLSX",
        [None, None],
        [" ID ", "text", "day", None],
        [862902619928506, "so sunny", day],
        [],
        [2, "", None],
        [3, "more", None, None, "beyond"],
        ["4", 5, None],
    )
    table = open_rows(path)
    assert table.columns == ("ID", "text", "day")
    assert list(table) == [
        Row(1, {"ID": 862902619928506, "text": "so sunny", "day": day}),
        Row(2, {"ID": 2, "text": None, "day": None}),
        Row(3, {}, "5 fields instead of 3"),
        Row(4, {"ID": "4", "text": 5, "day": None}),
    ]
    assert [row.line for row in table] == [3, 5, 6, 7]
    assert list(table.rows(3)) == list(table)[3:]


def test_excel_sheets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    path = excel(tmp_path / "t.xlsx", ["text"], ["a"], sheets=("first", "second"))
    assert [row.values for row in open_rows(path)] == [{"text": "a"}]
    assert "reading the first sheet, 'first'" in caplog.text
    assert open_rows(path, TableOptions(sheet="second")).columns == ("text",)
    with pytest.raises(DataError, match=r"no sheet 'third'; the sheets are first, second. Choose with sheet=...\."):
        open_rows(path, TableOptions(sheet="third"))


def test_excel_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xlsx").write_text("text,label\n")
    with pytest.raises(DataError, match=r"a.xlsx is not an Excel file: "):
        open_rows(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match=r"b.xlsx: the file is empty; expected a line with column names"):
        open_rows(excel(tmp_path / "b.xlsx"))
    with pytest.raises(DataError, match=r"c.xlsx: a column name occurs twice in row 1: 'text'"):
        open_rows(excel(tmp_path / "c.xlsx", ["text", "text "]))
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DataError, match=r"reading Excel files needs openpyxl: pip install 'clfa\[excel\]'"):
        open_rows(tmp_path / "c.xlsx")


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {" text": ["a", "b"], "n": [1.5, float("nan")], "__index_level_0__": [0, 1]}
    pq.write_table(pa.table(columns), path)
    table = open_rows(path)
    assert list(table) == [Row(1, {"text": "a", "n": 1.5}), Row(2, {"text": "b", "n": None})]
    pq.write_table(pa.table([["a"], ["b"]], names=["text", "text "]), path)
    with pytest.raises(DataError, match="a column name occurs twice in the schema: 'text'"):
        open_rows(path)


def test_a_disk_that_fails_is_not_the_file_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(CSV)
    table = open_rows(path)

    def fail(start: int) -> Any:
        yield Row(1, {})
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(table, "_rows", fail)
    with pytest.raises(OSError, match="Input/output error"):
        list(table)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl.gz", "t.json.bz2", "t.csv.xz", "t.jsonl.zst"])
def test_a_compressed_file_that_is_none_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"text\nno compression\n")
    with pytest.raises(DataError, match=rf"{name}: the suffix says .*, but the content is not compressed so"):
        list(open_rows(path))
