from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clfa.errors import DataError
from clfa.tables.rows import open_rows

ROWS = [{"id": f"p{number}", "text": f"day {number}", "label": "ab"[number % 2]} for number in range(6)]
CSV = pd.DataFrame(ROWS).to_csv(index=False).encode()
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def written(folder: Path, kind: str) -> bytes:
    path = folder / f"made.{kind}"
    getattr(pd.DataFrame(ROWS), {"parquet": "to_parquet", "xlsx": "to_excel"}[kind])(path, index=False)
    return path.read_bytes()


OTHERS: list[tuple[str, bytes | str, str]] = [
    ("posts.csv", "parquet", r"the suffix says \.csv, but the content is Parquet; rename it to end in \.parquet\."),
    ("posts.jsonl", "xlsx", r"the content is an Excel file or a zip archive; rename an Excel file to end in \.xlsx"),
    ("posts.parquet", "xlsx", r"the content is an Excel file or a zip archive"),
    ("posts.xlsx", "parquet", r"the content is Parquet; rename it to end in \.parquet"),
    ("posts.csv", gzip.compress(CSV, mtime=0), r"the content is compressed by gzip; add \.gz to its name"),
    ("posts.csv", bz2.compress(CSV), r"compressed by bzip2; add \.bz2"),
    ("posts.csv.gz", lzma.compress(CSV), r"the suffix says \.gz, but the content is compressed by xz; add \.xz"),
    ("posts.csv.gz", CSV, r"the suffix says \.gz, but the content is not compressed so; correct its name"),
    ("posts.csv", LINES, r"the suffix says \.csv, but the content is JSON; rename it to end in \.jsonl"),
    ("posts.tsv", json.dumps(ROWS, indent=1).encode(), r"the content is JSON; rename it to end in \.jsonl"),
    ("posts.jsonl", CSV, r"the suffix says \.jsonl, but the content is fields between separators; rename .*\.csv"),
    ("posts.json", CSV, r"the content is fields between separators"),
    ("posts.csv", b"\n<!DOCTYPE html><html>not found</html>", r"the content is a web page or XML, no table; fetch"),
    ("posts.parquet", b"version https://git-lfs.github.com/spec/v1\noid", r"a pointer of Git LFS; fetch the file with"),
    ("posts.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), r"Excel file of the old format \.xls; save it as"),
]


@pytest.mark.parametrize(("name", "content", "message"), OTHERS, ids=range(len(OTHERS)))
def test_content_of_another_format_is_named(tmp_path: Path, name: str, content: Any, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(written(tmp_path, content) if isinstance(content, str) else content)
    with pytest.raises(DataError, match=rf"{name}: .*{message}"):
        open_rows(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("posts.CSV", CSV),
        ("posts.csv", CSV.decode().encode("utf-16")),
        ("posts.csv.GZ", gzip.compress(CSV, mtime=0)),
        ("posts.json", LINES),
        ("posts.jsonl", b"broken, so\n" + LINES),
        ("posts.tsv", CSV),
    ],
)
def test_content_of_the_format_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert [row.values["text"] for row in open_rows(tmp_path / name) if not row.error] == [row["text"] for row in ROWS]
