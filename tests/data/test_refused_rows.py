"""Rows that name what they may not open: left out and counted on every path, and the others are used."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from clfa import CLFAPredictor
from clfa.cli.main import app
from clfa.data import READERS, Corpus, read_corpus, validate
from clfa.data.columns import ColumnMap, to_corpus
from clfa.data.table_part import TablePart
from clfa.data.unlabelled import add_unlabelled
from clfa.errors import DataError
from clfa.guides.pair_tables import PairTables, content_keys
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.processing.processor import CLFAProcessor
from clfa.tables.access import Access
from clfa.tables.collect import from_columns
from clfa.tables.gate import ADDRESS, OUTSIDE
from posts import make_posts, picture, read_jsonl, write_csv, write_jsonl

runner = CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"})
# Number of the row -> the image it names, and the reason of the refusal.
NAMED = {
    1: ("../secret.jpg", OUTSIDE),
    3: ("images/link.jpg", OUTSIDE),
    4: ("/etc/passwd", OUTSIDE),
    6: ("http://127.0.0.1:9/a.jpg", ADDRESS),
    9: ("file:///etc/passwd", ADDRESS),
    11: ("simplecache::http://127.0.0.1:9/a.jpg", ADDRESS),
}
REFUSED = {OUTSIDE: 3, ADDRESS: 3}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder of the data; a picture that rows may not name is beside it."""
    picture(tmp_path / "secret.jpg", "red", 99)
    place = tmp_path / "data"
    make_posts(place, 12)
    (place / "images" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    return place


@pytest.fixture
def rows(folder: Path) -> list[dict[str, Any]]:
    found = [{key: post[key] for key in ("id", "text", "image", "label")} for post in make_posts(folder, 12)]
    for number, (name, _) in NAMED.items():
        found[number]["image"] = name
    return found


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every path that is opened as a picture."""
    found: list[str] = []
    real = os.open

    def record(path: Any, *rest: Any, **options: Any) -> int:
        found.append(str(path))
        return real(path, *rest, **options)

    monkeypatch.setattr("clfa.data.images.os.open", record)
    return found


def reasons(corpus: Corpus) -> dict[str, int]:
    return {reason: count for reason, count in corpus.dropped_counts().items() if reason in REFUSED}


TABLES: dict[str, Callable[[list[dict[str, Any]], Path], Any]] = {
    "csv": lambda rows, folder: str(write_csv(folder / "posts.csv", rows)),
    "jsonl": lambda rows, folder: str(write_jsonl(folder / "posts.jsonl", rows)),
    "frame": lambda rows, folder: pd.DataFrame(rows),
    "rows": lambda rows, folder: rows,
    "structs": lambda rows, folder: [{**row, "image": {"path": row["image"]}} for row in rows],
    "lists": lambda rows, folder: str(
        write_jsonl(folder / "posts.jsonl", [{**row, "image": [row["image"]]} for row in rows])
    ),
}


@pytest.mark.parametrize("form", TABLES)
def test_training_data(
    rows: list[dict[str, Any]], folder: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.chdir(folder)
    corpus = validate(read_corpus("table", TABLES[form](rows, folder), as_split="train"), progress=False)
    assert reasons(corpus) == REFUSED
    assert [sample.id for sample in corpus.dropped] == [f"p{number}" for number in NAMED]
    assert len(corpus.splits["train"]) == 6
    for sample, (name, reason) in zip(corpus.dropped, NAMED.values(), strict=True):
        assert (sample.reason, os.path.basename(name) in sample.detail) == (reason, True)
    assert {os.path.dirname(path) for path in opened} <= {str(folder / "images"), "images"}


def test_what_is_permitted_is_opened(rows: list[dict[str, Any]], folder: Path) -> None:
    table = TABLES["csv"](rows, folder)
    corpus = validate(read_corpus("table", table, as_split="train", access=Access(outside=True)), progress=False)
    # /etc/passwd is no picture.
    assert corpus.dropped_counts() == {ADDRESS: 3, "unreadable image": 1}
    access = Access.of(["file"])
    rows[9]["image"] = f"file://{folder}/images/9.jpg"
    corpus = validate(read_corpus("table", TABLES["csv"](rows, folder), as_split="train", access=access))
    assert reasons(corpus) == {OUTSIDE: 3, ADDRESS: 2}
    with pytest.raises(DataError, match=r"row 1\): image needs allow_outside: .*secret\.jpg: not in "):
        validate(read_corpus("table", table, as_split="train"), strict=True)


def test_models_that_allow_missing_pictures_keep_the_texts(rows: list[dict[str, Any]], folder: Path) -> None:
    corpus = read_corpus("table", TABLES["csv"](rows, folder), as_split="train")
    found = validate(corpus, allow_missing=True, progress=False)
    assert (len(found.splits["train"]), found.dropped) == (12, [])
    assert found.facts["incomplete"] == REFUSED


def test_bytes_that_are_a_path(folder: Path, opened: list[str]) -> None:
    rows = [{"text": f"day {n}", "label": "a", "image": {"bytes": "/etc/passwd", "path": None}} for n in range(2)]
    corpus = validate(read_corpus("table", str(write_jsonl(folder / "x.jsonl", rows)), as_split="test"))
    assert corpus.dropped_counts() == {"unreadable image": 2}
    assert opened == []


def test_unlabelled_posts_and_pairs(rows: list[dict[str, Any]], folder: Path, opened: list[str]) -> None:
    table = TABLES["csv"](rows, folder)
    corpus = read_corpus("table", [rows[0], rows[2]], as_split="train", image_root=str(folder))
    found = validate(add_unlabelled(corpus, [table], {}), progress=False)
    assert found.unlabelled is not None
    assert (len(found.unlabelled), reasons(found)) == (6, REFUSED)
    pairs = PairTables([table])
    assert sum(map(len, pairs)) == 6
    assert pairs.dropped_counts() == REFUSED
    assert len(content_keys([table])) == 12 + 6
    assert {os.path.dirname(path) for path in opened} == {str(folder / "images")}
    assert len(content_keys([table], access=Access(outside=True))) == 12 + 6 + 2


@pytest.mark.parametrize("gated", [False, True])
def test_readers_of_other_packages(
    rows: list[dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch, gated: bool
) -> None:
    def read(data_dir: str) -> Corpus:
        columns = {name: [row[name] for row in rows] for name in ("id", "text", "label")}
        columns["image"] = [{"bytes": None, "path": os.path.join(data_dir, row["image"])} for row in rows]
        part = TablePart("train", "x", from_columns(columns), image_root=data_dir if gated else "")
        return to_corpus("theirs", [part], ColumnMap(), complete=False)

    monkeypatch.setattr(READERS, "get", lambda name: read)
    # Paths of pictures in the data folder need no `image_root`.
    assert reasons(validate(read_corpus("theirs", str(folder)), progress=False)) == {OUTSIDE: 3, ADDRESS: 3}


def test_published_data_sets(folder: Path, tmp_path: Path) -> None:
    """A folder of pictures may be a link; what it has may not lead elsewhere. Ids of MMSD name pictures."""
    root = tmp_path / "mmsd"
    root.mkdir()
    lines = ["['0', 'so sunny', 1]", "['../../secret', 'rain again', 0]", "['/etc/x', 'rain more', 0]",
             "['link', 'rain', 0]", "['file:///etc/x', 'much rain', 0]"]  # fmt: skip
    for name in ("train.txt", "valid2.txt", "test2.txt"):
        # Posts of other splits have other texts.
        (root / name).write_text("\n".join(lines).replace("rain", name[:2]).replace("sunny", name) + "\n")
    (root / "dataset_image").symlink_to(folder / "images")
    corpus = validate(read_corpus("mmsd", root), progress=False)
    assert [len(split) for split in corpus.splits.values()] == [1, 1, 1]
    assert reasons(corpus) == {OUTSIDE: 9, ADDRESS: 3}
    outside = validate(read_corpus("mmsd", root, access=Access(outside=True)), progress=False)
    assert [len(split) for split in outside.splits.values()] == [3, 3, 3]
    assert outside.dropped_counts() == {"missing image": 3, ADDRESS: 3}


def test_a_class_folder_with_links(folder: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b")):
        (tmp_path / "classes" / name).mkdir(parents=True)
        for n in range(4):
            picture(tmp_path / "classes" / name / f"{n}.jpg", "red", number * 4 + n)
            (tmp_path / "classes" / name / f"{n}.txt").write_text(f"day {number} {n}")
    (tmp_path / "classes" / "a" / "0.jpg").unlink()
    (tmp_path / "classes" / "a" / "0.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "linked").symlink_to(tmp_path / "classes")
    assert reasons(validate(read_corpus("image-folder", tmp_path / "linked"), progress=False)) == {OUTSIDE: 1}


# Prediction.


@pytest.fixture(scope="module")
def loaded(tiny_run: Path) -> CLFAPredictor:
    return CLFAPredictor.load(tiny_run)


def test_predict_command(rows: list[dict[str, Any]], folder: Path, tiny_run: Path, opened: list[str]) -> None:
    table, output, failed = TABLES["csv"](rows, folder), folder / "out.jsonl", folder / "failed.jsonl"
    command = ["predict", str(tiny_run), table, "--output", str(output), "--failures", str(failed)]
    found = runner.invoke(app, command, catch_exceptions=False)
    # The summary names the settings.
    for reason, count in REFUSED.items():
        assert f"{count} x {reason}" in found.output or f"{reason}: {count}" in found.output
    assert [row["reason"] for row in read_jsonl(failed)] == [reason for _, reason in NAMED.values()]
    assert sum("error" not in row for row in read_jsonl(output)) == 6
    assert {os.path.dirname(path) for path in opened if path.endswith("jpg")} == {str(folder / "images")}
    found = runner.invoke(app, [*command, "--allow-outside", "--restart"], catch_exceptions=False)
    assert [row["reason"] for row in read_jsonl(failed)] == ["unreadable image", *[ADDRESS] * 3]


@pytest.mark.parametrize("form", ["frame", "rows", "csv"])
def test_predictor(
    loaded: CLFAPredictor, rows: list[dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.chdir(folder)
    table = TABLES[form](rows, folder)
    refused = [number in NAMED for number in range(12)]
    assert [label is None for label in loaded.predict(table)] == refused
    with pytest.raises(DataError, match=r"6 of 12 posts .*image needs allow_outside: 3.*\(data\.allow_ou"):
        loaded.predict(table, errors="raise")
    assert [bool(row[0]) for row in pd.isna(loaded.embed(table)).tolist()] == refused
    monkeypatch.setattr(loaded, "access", Access(outside=True))
    assert [p.reason for p in loaded.predictions(table) if p.reason] == ["unreadable image", *[ADDRESS] * 3]


def test_posts_and_the_processor(tiny_run: Path, folder: Path) -> None:
    """Addresses need a permission there, too; local paths are the caller's own."""
    classifier = PostClassifier.load(tiny_run)
    secret, address = str(folder.parent / "secret.jpg"), "http://127.0.0.1:9/a.jpg"
    cells: list[Any] = [secret, address, {"bytes": None, "path": address}, [address, secret]]
    found = classifier([Post("so sunny", cell) for cell in cells])
    assert [prediction.reason for prediction in found] == [None, ADDRESS, ADDRESS, None]
    processor = CLFAProcessor.from_pretrained(tiny_run / "model")
    with pytest.raises(DataError, match="rows may not name addresses of 'http'"):
        processor(images=[address])
    with pytest.raises(DataError, match=r"^http://127\.0\.0\.1:9/a\.jpg: (?!rows)"):
        processor(images=[address], allow_urls="http")
    found_alone = runner.invoke(app, ["predict", str(tiny_run), "--text", "so sunny", "--image", address])
    assert "--allow-urls http" in str(found_alone.exception)


# Exports.


def test_check_and_export(rows: list[dict[str, Any]], folder: Path, tmp_path: Path) -> None:
    table, clean, dropped = TABLES["csv"](rows, folder), folder / "clean.parquet", folder / "dropped.csv"
    command = ["data", "check", "table", table, "--output", str(clean), "--dropped", str(dropped)]
    for options in ([], ["--embed-images"], ["--no-images"]):
        found = runner.invoke(app, [*command, *options], catch_exceptions=False)
        if "--no-images" not in options:
            assert OUTSIDE in found.output
            assert ADDRESS in found.output
        content = clean.read_bytes()
        assert b"root:" not in content
        assert (tmp_path / "secret.jpg").read_bytes() not in content
        if not options:
            assert all("passwd" not in json.dumps(row, default=str) for row in pq.read_table(clean).to_pylist())
