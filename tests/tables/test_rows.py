from __future__ import annotations

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clfa.errors import DataError
from clfa.tables import lines as tables
from clfa.tables.rows import Row, count_rows, iter_rows
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
    assert list(iter_rows(tmp_path / "t.csv")) == [
        Row(1, {}, "1 fields instead of 2: a"),
        Row(2, {}, "3 fields instead of 2: b | c | d"),
    ]


def test_csv_in_mixed_encodings(tmp_path: Path) -> None:
    lines = [
        "id,text".encode("utf-8-sig"),
        "a,naïve café".encode(),
        "b,naïve café".encode("cp1252"),
        "c,“很好吃的东西”".encode("gb18030"),
        b"d," + bytes(range(128, 160)) * 4,
        b'e,"two\r\nlines"',
        b"f," + b"x" * 200_000,
        b"g,ok\x00",
    ]
    (tmp_path / "t.csv").write_bytes(b"\n".join(lines))
    rows = list(iter_rows(tmp_path / "t.csv"))
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    texts = [row.values.get("text") for row in rows]
    assert texts[:3] == ["naïve café", "naïve café", "“很好吃的东西”"]
    # No limit to the length of a field.
    assert texts[4:] == ["two\r\nlines", "x" * 200_000, "ok"]
    assert [row.error for row in rows[:3] + rows[4:]] == [None] * 6
    wide = "id,text\na,schön 很\n".encode("utf-16")
    (tmp_path / "wide.csv").write_bytes(wide)
    assert list(iter_rows(tmp_path / "wide.csv")) == [Row(1, {"id": "a", "text": "schön 很"})]


def test_a_csv_line_that_is_no_text_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"id,text\na,one\nb," + b"\x81\x01\x02\x03" * 20 + b"\nc,three\n")
    rows = list(iter_rows(tmp_path / "t.csv"))
    assert [row.values.get("text") for row in rows] == ["one", None, "three"]
    assert (rows[1].error or "").startswith("not valid CSV: not text in any known encoding")


def test_jsonl_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_bytes('{"text": "naïve café"}\n'.encode("cp1252"))
    assert list(iter_rows(tmp_path / "t.jsonl")) == [Row(1, {"text": "naïve café"})]


def test_quotes_in_a_tsv_that_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text('id\ttext\nA\t"so\nB\tgreat\nC\t"fine\n')
    assert [row.values for row in iter_rows(tmp_path / "t.tsv")] == [
        {"id": "A", "text": '"so'},
        {"id": "B", "text": "great"},
        {"id": "C", "text": '"fine'},
    ]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "parquet"])
@pytest.mark.parametrize("start", [0, 1, 299, 300, 301, 649, 650, 700])
def test_rows_to_pass_over(tmp_path: Path, suffix: str, start: int) -> None:
    posts = [{"id": str(n), "text": f"post {n}"} for n in range(650)]
    path = tmp_path / f"t.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(posts), path, row_group_size=300)
    elif suffix == "jsonl":
        write_jsonl(path, posts)
        path.write_bytes(b"\n" + path.read_bytes())
    else:
        separator = "," if suffix == "csv" else "\t"
        lines = [separator.join(post.values()) for post in [{"id": "id", "text": "text"}, *posts]]
        path.write_text("\n".join(lines))
    assert list(iter_rows(path, start)) == [Row(n + 1, post) for n, post in enumerate(posts)][start:]


def test_counted_rows(tmp_path: Path) -> None:
    posts = [{"id": n} for n in range(7)]
    pq.write_table(pa.Table.from_pylist(posts), tmp_path / "t.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "open.jsonl").write_bytes(b"{}\n{}")
    counts = [
        count_rows(path)
        for path in (
            tmp_path / "t.parquet",
            write_jsonl(tmp_path / "t.jsonl", posts),
            tmp_path / "open.jsonl",
            write_csv(tmp_path / "t.csv", posts),
            tmp_path / "broken.parquet",
            tmp_path / "absent.jsonl",
        )
    ]
    assert counts == [7, 7, 2, None, None, None]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.jsonl", None, r"input file .*absent.jsonl does not exist"),
        ("t.doc", b"", r"t.doc: unknown suffix '.doc'; use one of .csv, .tsv, .jsonl, .ndjson, .json, .parquet, .xlsx"),
        ("t.csv", b"", r"t.csv: the file is empty; expected a line with column names"),
        ("t.parquet", b"no parquet at all", r"t.parquet is not a Parquet file: "),
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


def test_a_misspelt_file_has_a_hint(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("text\nso\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"input file .*nwe\.csv does not exist\. Did you mean .*new\.csv"):
        list(iter_rows(tmp_path / "nwe.csv"))
