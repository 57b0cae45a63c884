"""Recognition of files whose content is of another format than their suffix says."""

from __future__ import annotations

import re

from clfa.errors import DataError
from clfa.tables.compression import COMPRESSIONS

_HEAD = 4096
_ZIP = "an Excel file or a zip archive"
# First bytes of a file -> what it is, the suffixes that say so, what to do.
_SIGNATURES: tuple[tuple[bytes, str, tuple[str, ...], str], ...] = (
    (b"PAR1", "Parquet", (".parquet",), "rename it to end in .parquet"),
    (b"PK\x03\x04", _ZIP, (".xlsx",), "rename an Excel file to end in .xlsx, unpack an archive"),
    (b"\x1f\x8b", "compressed by gzip", (".gz",), "add .gz to its name"),
    (b"BZh", "compressed by bzip2", (".bz2",), "add .bz2 to its name"),
    (b"\xfd7zXZ\x00", "compressed by xz", (".xz",), "add .xz to its name"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard", (".zst",), "add .zst to its name"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel file of the old format .xls", (), "save it as .xlsx or as CSV"),
    (b"ARROW1", "a Feather file", (), "save it as Parquet"),
    (b"SQLite format 3", "a database of SQLite", (), "save its table as CSV or Parquet"),
    (b"version https://git-lfs", "a pointer of Git LFS", (), "fetch the file with `git lfs pull`"),
)
_PAGE = re.compile(r"\s*<(!doctype html|html|\?xml)", re.IGNORECASE)
_JSON = re.compile(r'\s*(\[\s*)?\{\s*"')
_SEPARATED = re.compile(r"[^\n{[]*[,\t;|][^\n{[]*\n[^{[]")


def check_content(path: str, suffix: str) -> None:
    """Check that the first bytes of a file are not those of another format than its suffix says.

    Args:
        path: A local file.
        suffix: Its suffix of the format, in lower case.

    Raises:
        DataError: Naming the format of the content and what to do.
    """
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    last = "." + path.lower().rpartition(".")[2]
    for first, kind, suffixes, advice in _SIGNATURES:
        if head.startswith(first) and last not in suffixes:
            raise DataError(f"{path}: the suffix says {last}, but the content is {kind}; {advice}.")
    if last in COMPRESSIONS:
        if head and not any(head.startswith(first) and last in suffixes for first, _, suffixes, _ in _SIGNATURES):
            raise DataError(f"{path}: the suffix says {last}, but the content is not compressed so; correct its name.")
        return
    text = head.decode("utf-8-sig", "replace")
    if _PAGE.match(text):
        raise DataError(f"{path}: the content is a web page or XML, no table; fetch or export the table again.")
    if suffix in (".csv", ".tsv") and _JSON.match(text):
        raise DataError(f"{path}: the suffix says {suffix}, but the content is JSON; rename it to end in .jsonl.")
    if suffix in (".jsonl", ".ndjson", ".json") and _SEPARATED.match(text) and "{" not in text:
        raise DataError(
            f"{path}: the suffix says {suffix}, but the content is fields between separators; rename it to end in .csv."
        )
