from __future__ import annotations

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clfa.errors import DataError
from clfa.pipeline import tables
from clfa.pipeline.tables import Row, iter_rows
from posts import write_csv, write_jsonl

ROWS = [{"id": "a", "text": "so, sunny"}, {"id": "b", "text": "zwei\nlines ä"}]


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "t.parquet")
    tabs = 'id\ttext\na\tso, sunny\nb\t"zwei\nlines ä"\n'
    (tmp_path / "t.tsv").write_text(tabs, encoding="utf-8-sig")
    files = [
        write_jsonl(tmp_path / "t.jsonl", ROWS),
        write_jsonl(tmp_path / "t.ndjson", ROWS),
        write_csv(tmp_path / "t.csv", ROWS),
        tmp_path / "t.tsv",
        tmp_path / "t.parquet",
    ]
    for path in files:
        assert list(iter_rows(path)) == [Row(1, ROWS[0]), Row(2, ROWS[1])], path.suffix


def test_lines_that_cannot_be_read_do_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_LINE", 300_000)
    path = tmp_path / "t.jsonl"
    lines = [
        b'{"id": 1}',
        b"",
        b"{broken",
        b"[1, 2]",
        b"\xff\xfe{}",
        b"[" * 200_000,
        b'{"text": "' + b"x" * 700_000 + b'"}',
        b'{"id": 2}',
    ]
    path.write_bytes(b"\n".join(lines))
    rows = list(iter_rows(path))
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.values for row in rows] == [{"id": 1}, {}, {}, {}, {}, {}, {"id": 2}]
    errors = [row.error or "" for row in rows]
    assert errors[0] == errors[6] == ""
    assert errors[1].startswith("not valid JSON: Expecting property name")
    assert errors[2] == "a JSON object was expected, not list"
    assert errors[3].startswith("not valid JSON: ")
    assert errors[4].startswith("not valid JSON: ")
    assert errors[5] == "the line is longer than 300,000 bytes"


def test_rows_come_one_at_a_time(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", [{"id": n} for n in range(5)])
    rows = iter_rows(path)
    assert next(rows).values == {"id": 0}
    with open(path, "a") as file:
        file.write('{"id": "added while reading"}\n')
    assert [row.values["id"] for row in rows] == [1, 2, 3, 4, "added while reading"]


def test_parquet_keeps_types(tmp_path: Path) -> None:
    day = datetime.date(2024, 2, 1)
    image = {"bytes": b"\x89PNG", "path": None}
    pq.write_table(pa.Table.from_pylist([{"id": day, "image": image}] * 600), tmp_path / "t.parquet")
    rows = list(iter_rows(tmp_path / "t.parquet"))
    assert rows[599] == Row(600, {"id": day, "image": image})


def test_csv_with_short_and_long_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,text\na\nb,c,d\n")
    assert [row.values for row in iter_rows(tmp_path / "t.csv")] == [
        {"id": "a", "text": None},
        {"id": "b", "text": "c"},
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.jsonl", None, r"input file .*absent.jsonl does not exist"),
        ("t.xlsx", b"", r"t.xlsx: unknown suffix '.xlsx'; use one of .jsonl, .ndjson, .csv, .tsv, .parquet"),
        ("t.parquet", b"no parquet at all", r"t.parquet is not a Parquet file: "),
        ("t.csv", b"id,text\na,caf\xe9\n", r"t.csv cannot be read as CSV in UTF-8: "),
        ("t.csv", b"id,text\na," + b"x" * 200_000, r"t.csv cannot be read as CSV in UTF-8: field larger"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(iter_rows(tmp_path / name))


def test_a_parquet_file_that_is_damaged_inside(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pylist([{"text": f"post {n}" * 50} for n in range(500)]), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4:40] = b"\xff" * 36
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"t.parquet is damaged after row 0: "):
        list(iter_rows(path))
