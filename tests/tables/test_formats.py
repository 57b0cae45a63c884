"""Parquet, Excel, compressed files, and what all formats have in common."""

from __future__ import annotations

import bz2
import datetime
import gzip
import lzma
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
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


def edited(path: Path, part: str, old: str, new: str) -> Path:
    """Replace a text in one part of an Excel file."""
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    assert old.encode() in parts[part]
    parts[part] = parts[part].replace(old.encode(), new.encode())
    with zipfile.ZipFile(path, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize("stated", ["A1", "A1:B2", "B2:B2", "A1:Z900"])
def test_the_size_that_an_excel_file_states_counts_for_nothing(tmp_path: Path, stated: str) -> None:
    path = excel(tmp_path / "t.xlsx", ["id", "text", "label"], [1, "a", "x"], [2, "b", "y"])
    table = open_rows(edited(path, SHEET, 'ref="A1:C3"', f'ref="{stated}"'))
    assert [list(row.values.values()) for row in table] == [[1, "a", "x"], [2, "b", "y"]]


def _sheet(rows: tuple[str, ...]) -> str:
    """Return the XML of rows such as `r=2: A2=a B2=b`; a row or a cell may have no number."""
    found = []
    for row in rows:
        number, _, cells = row.partition(": ")
        start = f' r="{number.removeprefix("r=")}"' if number else ""
        found.append(f"<row{start}>")
        for cell in cells.split():
            place, _, value = cell.partition("=")
            start = f' r="{place}"' if place else ""
            found.append(f'<c{start} t="str"><v>{value}</v></c>')
        found.append("</row>")
    return "".join(found)


def _with_rows(path: Path, *rows: str, prefix: str = "") -> Path:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    start = f'<worksheet xmlns="{space}"><sheetData>{_sheet(rows)}</sheetData></worksheet>'
    if prefix:
        start = re.sub(r"<(/?)(\w)", rf"<\1{prefix}:\2", start).replace("xmlns=", f"xmlns:{prefix}=")
    excel(path, ["x"])
    with zipfile.ZipFile(path) as book:
        old = book.read(SHEET).decode()
    return edited(path, SHEET, old, start)


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        (["r=3: A3=2 B3=b", "r=1: A1=id B1=text", "r=2: A2=1 B2=a"], [2, 3]),
        (["r=1: A1=id B1=text", "r=9: A9=2 B9=b", "r=4: A4=1 B4=a"], [4, 9]),
        (["r=1: B1=text A1=id", "r=2: B2=a A2=1", "r=3: B3=b A3=2"], [2, 3]),
        (["r=1: A1=id B1=text", "r=2: A2=1", "r=2: B2=a", "r=3: A3=2 B3=b"], [2, 3]),
        (["r=1: A1=id B1=text", "r=2: A3=2 B2=a A2=1 B3=b"], [2, 3]),
        ([": A1=id B1=text", ": A5=1 B5=a", ": A8=2 B8=b"], [5, 8]),
        ([": =id =text", ": =1 =a", ": =2 =b"], [2, 3]),
        (["r=4: A4=id B4=text", "r=7: A7=1 B7=a", "r=11: A11=2 B11=b"], [7, 11]),
    ],
    ids=["header", "rows", "cells", "row in parts", "cells elsewhere", "no row numbers", "no numbers", "gaps"],
)
def test_excel_rows_and_cells_in_any_order(tmp_path: Path, rows: list[str], lines: list[int]) -> None:
    for prefix in ("", "x"):
        table = open_rows(_with_rows(tmp_path / f"t{prefix}.xlsx", *rows, prefix=prefix))
        assert table.columns == ("id", "text")
        assert [row.values for row in table] == [{"id": "1", "text": "a"}, {"id": "2", "text": "b"}]
        assert [row.line for row in table] == lines
        assert [row.number for row in table.rows(1)] == [2]


@pytest.mark.parametrize("rows", [["r=2: A2=1", "r=2: A2=2"], ["r=2: A2=1 A2=2"], ["r=3: A3=1", "r=2: A2=2", ": A3=3"]])
def test_excel_cells_that_occur_twice(tmp_path: Path, rows: list[str]) -> None:
    path = _with_rows(tmp_path / "t.xlsx", "r=1: A1=id", *rows)
    with pytest.raises(DataError, match=r"t\.xlsx is damaged: cell A[23] occurs twice"):
        open_rows(path)


@pytest.mark.parametrize("reference", ["A1:XFD1048576", "A2:XFD1048576", "B2:B2</mergeCell>"])
def test_merged_cells_have_a_limit(tmp_path: Path, reference: str) -> None:
    path = excel(tmp_path / "t.xlsx", ["id", "text"], [1, "a"])
    far = "</mergeCell>" in reference
    cells = '<row r="1048576"><c r="XFD1048576"/></row>' if far else ""
    merged = f'<mergeCells><mergeCell ref="{reference.partition("<")[0]}"/></mergeCells>'
    edited(path, SHEET, "</sheetData>", f"{cells}</sheetData>{merged}")
    with pytest.raises(DataError, match=r"t\.xlsx: the sheet has merged or unordered cells, the last in row 1,048,576"):
        open_rows(path)


def test_small_files_with_much_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clfa.tables.excel_layout._MOST_BYTES", 1 << 17)
    monkeypatch.setattr("clfa.tables.excel_layout._MOST_SHARED", 1 << 18)
    path = _with_rows(tmp_path / "a.xlsx", "r=1: A1=id", f"r=2: A2={'x' * (1 << 18)}")
    with pytest.raises(DataError, match=r"a\.xlsx is damaged: a cell of row 2 has more than 131,072 bytes"):
        open_rows(path)
    path = _with_rows(tmp_path / "b.xlsx", "r=1: A1=id", "r=2: ZZZ2=1")
    with pytest.raises(DataError, match=r"b\.xlsx is damaged: a sheet has at most 16,384 columns"):
        open_rows(path)
    path = excel(tmp_path / "c.xlsx", ["id"], ["x"])
    edited(path, "xl/styles.xml", "</styleSheet>", " " * (1 << 18) + "</styleSheet>")
    with pytest.raises(DataError, match=r"c\.xlsx is not an Excel file: its texts and styles have [\d,]+ bytes, limit"):
        open_rows(path)


def test_hidden_sheets_are_not_the_first(tmp_path: Path) -> None:
    path = excel(tmp_path / "t.xlsx", ["text"], ["a"], sheets=("notes", "posts"))
    book = openpyxl.load_workbook(path)
    book["notes"].sheet_state = "hidden"
    book["posts"]["A2"] = "b"
    book.active = 1
    book.save(path)
    assert [row.values for row in open_rows(path)] == [{"text": "b"}]
    assert [row.values for row in open_rows(path, TableOptions(sheet="notes"))] == [{"text": "a"}]


@pytest.mark.parametrize(
    ("ranges", "labels"),
    [
        (["C2:C3", "C4:C6"], ["x", "x", "y", "y", "y"]),
        (["C2:C9"], ["x"] * 5),
        (["B2:C3"], [None, None, "y", None, "y"]),
        (["A1:A2"], ["x", None, "y", None, "y"]),
        (["A2:B2"], ["x", None, "y", None, "y"]),
        (["C3:C4"], ["x", None, None, None, "y"]),
    ],
)
def test_merged_cells_have_their_value_in_each_row(tmp_path: Path, ranges: list[str], labels: list[Any]) -> None:
    rows = [[n, f"post {n}", "xyy"[n // 2] if n % 2 == 0 else None] for n in range(5)]
    path = excel(tmp_path / "t.xlsx", ["id", "text", "label"], *rows)
    book = openpyxl.load_workbook(path)
    for cells in ranges:
        book.active.merge_cells(cells)
    book.save(path)
    assert [row.values["label"] for row in open_rows(path)] == labels


@pytest.mark.parametrize(
    ("cell", "value", "said"),
    [
        ("<f>1+1</f><v></v>", None, "cell B2 has a formula whose value is not in the file"),
        ("<f>1+1</f>", None, "cell B2 has a formula whose value is not in the file"),
        ("<f>1+1</f><v>2</v>", 2, ""),
        *[
            (f"<v>{word}</v>", None, f"cell B2 has the error {word}")
            for word in ("#REF!", "#VALUE!", "#DIV/0!", "#N/A")
        ],
    ],
)
def test_cells_without_a_value(
    tmp_path: Path, cell: str, value: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = excel(tmp_path / "t.xlsx", ["id", "text"], ["a", 7], ["b", "c"])
    kind = 't="e"' if "#" in cell else 't="n"'
    edited(path, SHEET, '<c r="B2" t="n"><v>7</v></c>', f'<c r="B2" {kind}>{cell}</c>')
    table = open_rows(path)
    for _ in range(2):
        assert [row.values["text"] for row in table] == [value, "c"]
    assert [record.getMessage().split(". Such")[0].partition(": ")[2] for record in caplog.records] == [said] * bool(
        said
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<v>7</v>", "<v>abc</v>"),
        ('t="n"><v>7</v>', 't="s"><v>99</v>'),
        ('t="n"><v>7</v>', 't="b"><v>z</v>'),
        ('t="n"><v>7</v>', 't="d"><v>z</v>'),
        ('r="B2"', 'r="2B"'),
        ('<row r="2"', '<row r="x"'),
        ('<row r="2"', '<row r="99999999"'),
        ("</sheetData>", ""),
    ],
)
def test_sheets_that_are_damaged(tmp_path: Path, old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clfa.tables.excel._MOST_ROWS", 1000)
    path = edited(excel(tmp_path / "t.xlsx", ["id", "text"], ["a", 7]), SHEET, old, new)
    with pytest.raises(DataError, match=r"t\.xlsx is damaged: "):
        list(open_rows(path))


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


def test_parquet_that_states_rows_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    equal = pa.DictionaryArray.from_arrays(pa.array(np.zeros(12_000_000, np.int8)), ["so sunny"])
    table = pa.table({"text": equal})
    pq.write_table(table, path, row_group_size=len(table), data_page_size=1 << 30, max_rows_per_page=len(table))
    assert path.stat().st_size < 1_000
    with pytest.raises(DataError, match=r"states 12,000,000 rows in \d+ bytes: no table of posts has so many"):
        open_rows(path)
    # As writers do it: pages of 20,000 rows.
    pq.write_table(table, path)
    assert open_rows(path).known_length() == 12_000_000


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
