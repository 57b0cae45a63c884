"""The same files through training, ``clfa predict``, ``CLFAPredictor``, shards and Ray: same rows, ids and texts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from clfa.cli.main import app
from clfa.data import read_corpus
from clfa.data.validation import UNLABELLED
from clfa.predictor import CLFAPredictor
from clfa.tables.cells import read_cells
from clfa.tables.columns import find_columns
from clfa.tables.gate import PictureGate
from clfa.tables.rows import open_rows
from clfa.tables.shards import plan_shards, shard_rows
from tables.test_formats import excel

# A row that cannot be read, in the lists of what is expected; it has its number for an id.
BAD = "<bad>"
Found = list[tuple[str, str]]


def lines(*rows: Any) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


# A name for the file, its content, and ids and texts of its rows.
CASES: dict[str, tuple[str, bytes, Found]] = {
    "blanks in the header": ("t.csv", b" text , label ,image\na,good,\nb,bad,\n", [("1", "a"), ("2", "b")]),
    "too many and too few fields": (
        "t.csv",
        b"id,text,image\nx,a,1\ny,b\nz,c,1,2\n\nw,d,1\n",
        [("x", "a"), ("2", BAD), ("3", BAD), ("w", "d")],
    ),
    "upper-case suffix": ("T.CSV", b"TEXT,IMAGE\na,1\n", [("1", "a")]),
    "semicolons": ("t.csv", b"id;text;image\nx;a, b, c;1\ny;d;2\n", [("x", "a, b, c"), ("y", "d")]),
    "tabs in a csv": ("t.csv", b"id\ttext\timage\nx\ta, b\t1\n", [("x", "a, b")]),
    "bars": ("t.csv", b"id|text|image\nx|a; b|1\n", [("x", "a; b")]),
    "commas in a tsv": ("t.tsv", b"id,text,image\nx,a,1\n", [("x", "a")]),
    "a quote that never closes": (
        "t.csv",
        b'id,image,text\nx,1,a\ny,1,"so it begins\nz,1,c\nw,1,d\n',
        [("x", "a"), ("y", '"so it begins'), ("z", "c"), ("w", "d")],
    ),
    "texts of two lines": ("t.csv", b'id,image,text\nx,1,"a\nb, c"\ny,1,d\n', [("x", "a b, c"), ("y", "d")]),
    "bare quotes in a tsv": (
        "t.tsv",
        b'id\ttext\timage\nx\t"so it\t1\ny\t"well\tdone"\t1\nz\tsaid "no\t1\n',
        [("x", '"so it'), ("y", "well done"), ("z", 'said "no')],
    ),
    "a long cell": ("t.csv", b"text,image\n" + b"a" * 300_000 + b",1\nb,2\n", [("1", "a" * 300_000), ("2", "b")]),
    "marks of byte order": ("t.csv", "\ufefftext,image\né,1\n".encode(), [("1", "é")]),
    "utf-16": ("t.csv", "id,text,image\nx,很好,1\n".encode("utf-16"), [("x", "很好")]),
    "utf-32 without a mark": ("t.csv", "id,text,image\nx,é,1\n".encode("utf-32-be"), [("x", "é")]),
    "returns, and line feeds in texts": (
        "t.csv",
        b'id,text,image\rx,"a\nb",1\ry,c,2\r\nz,d,3\nw,e,3\r\n',
        [("x", "a b"), ("y", "c"), ("z", "d"), ("w", "e")],
    ),
    "utf-16 without a mark": ("t.tsv", "id\ttext\timage\nx\té\t1\n".encode("utf-16-le"), [("x", "é")]),
    "utf-16 lines of JSON": ("t.jsonl", lines({"text": "a", "image": 1}).decode().encode("utf-16"), [("1", "a")]),
    "several encodings": (
        "t.csv",
        b"text,image\n" + "café,1\n".encode() + "déjà vu,2\n".encode("cp1252") + b"\x81\x01\x02\x03" * 20 + b"\nc,1\n",
        [("1", "café"), ("2", "déjà vu"), ("3", BAD), ("4", "c")],
    ),
    "NUL characters": ("t.csv", b"id,text,image\nx\x00,a\x00b,1\n", [("x", "ab")]),
    "numbers for texts": (
        "t.jsonl",
        lines({"id": 7, "text": 5, "image": "1"}, {"id": 8.0, "text": 5.5, "image": "1"}, {"text": "", "image": "1"}),
        [("7", "5"), ("8", "5.5"), ("3", "")],
    ),
    "half an emoji": (
        "t.jsonl",
        b'{"id": "x\\ud83d", "text": "so sad \\ud83d", "image": ""}\n{"text": "\\ud83d\\ude00", "image": ""}\n',
        [("x", "so sad"), ("2", "\U0001f600")],
    ),
    "NaN": ("t.jsonl", b'{"id": NaN, "text": NaN, "image": NaN}\n{"id": "x", "text": "a"}', [("1", ""), ("x", "a")]),
    "broken lines of JSON": (
        "t.jsonl",
        b'{"text": "a", "image": "1"}\n{broken\n\n[1]\n{"text": "b", "text": "c"}\n{"text": "d"}',
        [("1", "a"), ("2", BAD), ("3", BAD), ("4", BAD), ("5", "d")],
    ),
    "an array in jsonl": ("t.jsonl", b'[{"text": "a", "image": 1}, {"text": "b"}]', [("1", "a"), ("2", "b")]),
    "arrays after each other": (
        "t.json",
        b'[{"text": "a", "image": 1}]\n[{"text": "b"}]]\n{"text": "c"},\n[{"text": "d"}',
        [("1", "a"), ("2", "b"), ("3", BAD), ("4", "c"), ("5", "d"), ("6", BAD)],
    ),
    "an array on every line": ("t.jsonl", b'[{"text": "a", "image": 1}]\n[{"text": "b"}]\n', [("1", "a"), ("2", "b")]),
    "lines in json": ("t.json", lines({"text": "a", "image": 1}, {"text": "b"}), [("1", "a"), ("2", "b")]),
    "id by another name": ("t.csv", b"Tweet_ID ,Tweet,photo\n862902619928506304,a,1\n", [("862902619928506304", "a")]),
    "empty ids": ("t.csv", b"id,text,image\n,a,1\nx,b,1\n", [("1", "a"), ("x", "b")]),
    "gzip": ("t.csv.gz", gzip.compress(b"id,text,image\nx,a,1\n", mtime=0), [("x", "a")]),
    "excel": ("t.xlsx", b"", [("862902619928506", "a"), ("2", "5")]),
    "parquet": ("t.parquet", b"", [("1", "a"), ("2", ""), ("7", "c")]),
}


def write(folder: Path, name: str) -> tuple[Path, Found]:
    file, content, expected = CASES[name]
    path = folder / file
    if name == "excel":
        return excel(path, ["ID", "text", "image"], [862902619928506, "a", None], [], [None, 5, None]), expected
    if name == "parquet":
        pq.write_table(pa.table({"id": [None, None, 7.0], "text": ["a", None, "c"], "image": ["1"] * 3}), path)
    else:
        path.write_bytes(content)
    return path, expected


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts that a model is given, in order."""
    from clfa.prediction.post_classifier import PostClassifier

    texts: list[str] = []
    stream = PostClassifier.stream

    def watched(self: Any, windows: Any, *rules: Any) -> Any:
        def watch() -> Any:
            for window in windows:
                texts.extend(post.text or "" for post in window)
                yield window

        return stream(self, watch(), *rules)

    monkeypatch.setattr(PostClassifier, "stream", watched)
    return texts


@pytest.mark.parametrize("name", CASES)
def test_training(tmp_path: Path, name: str) -> None:
    path, expected = write(tmp_path, name)
    corpus = read_corpus("table", path, as_split="test", label_names=["bad", "good"])
    parts = [*corpus.splits.values(), *([] if corpus.unlabelled is None else [corpus.unlabelled])]
    found = sorted((id, text) for part in parts for id, text in zip(part["id"][:], part["text"][:], strict=True))
    assert found == sorted(row for row in expected if row[1] != BAD)
    assert [dropped.reason for dropped in corpus.dropped] == ["bad line"] * sum(text == BAD for _, text in expected)
    assert UNLABELLED not in corpus.splits


@pytest.mark.parametrize("name", CASES)
def test_shards(tmp_path: Path, name: str) -> None:
    path, expected = write(tmp_path, name)
    found = []
    for shard in plan_shards([path], 2):
        table = open_rows(shard.path)
        columns = find_columns(table.columns, table.path, declared=table.declares_columns)
        for row in shard_rows(shard, [column for column in (columns.id, columns.text) if column is not None]):
            cells = read_cells(row, columns, PictureGate(table.folder))
            found.append((cells.id, BAD if row.error is not None else cells.text or ""))
    assert found == expected


@pytest.mark.parametrize("name", CASES)
def test_predict(tmp_path: Path, tiny_run: Path, seen: list[str], name: str) -> None:
    path, expected = write(tmp_path, name)
    output = tmp_path / "out.jsonl"
    CliRunner().invoke(app, ["predict", str(tiny_run), str(path), "--output", str(output)], catch_exceptions=False)
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == [id for id, _ in expected]
    assert seen == [text for _, text in expected if text != BAD]


@pytest.mark.parametrize("name", CASES)
def test_predictor(tmp_path: Path, tiny_run: Path, seen: list[str], name: str) -> None:
    path, expected = write(tmp_path, name)
    found = CLFAPredictor.load(tiny_run).predictions(path)
    assert [prediction.reason == "unreadable row" for prediction in found] == [text == BAD for _, text in expected]
    assert seen == [text for _, text in expected if text != BAD]


@pytest.mark.slow
def test_ray(tmp_path: Path, tiny_run: Path) -> None:
    pytest.importorskip("ray")
    path, expected = write(tmp_path, "several encodings")
    command = [
        "predict",
        str(tiny_run),
        str(path),
        "--engine",
        "ray",
        "--workers",
        "1",
        "--output",
        str(tmp_path / "o"),
    ]
    CliRunner().invoke(app, command, catch_exceptions=False)
    rows = pq.read_table(tmp_path / "o").sort_by("row").to_pylist()
    assert [row["id"] for row in rows] == [id for id, _ in expected]
    assert [str(row["error"]).startswith("not valid CSV") for row in rows] == [text == BAD for _, text in expected]


def test_a_column_twice_is_an_error_for_everybody(tmp_path: Path, tiny_run: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,image,text \na,b,c\n")
    message = "a column name occurs twice in line 1: 'text'"
    shown = CliRunner().invoke(app, ["predict", str(tiny_run), str(path)])
    assert message in str(shown.exception)
    for read in (
        lambda: read_corpus("table", path),
        lambda: plan_shards([path]),
        lambda: CLFAPredictor.load(tiny_run).predict(path),
    ):
        with pytest.raises(Exception, match=message):
            read()


def test_ids_of_training_are_those_of_prediction(tmp_path: Path, tiny_run: Path) -> None:
    """Files of splits without ids: each counts its rows from 1, bad lines counted."""
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.csv").write_text(f"text,image,label\n{split} a,1,good\nbroken\n{split} b,1,bad\n")
    corpus = read_corpus("table", tmp_path)
    assert {name: split["id"][:] for name, split in corpus.splits.items()} == {
        name: ["1", "3"] for name in ("train", "validation", "test")
    }
    output = tmp_path / "out.jsonl"
    CliRunner().invoke(app, ["predict", str(tiny_run), str(tmp_path / "test.csv"), "--output", str(output)])
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["1", "2", "3"]
