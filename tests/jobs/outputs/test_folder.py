from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clfa.errors import DataError
from clfa.jobs.outputs.base import write_failures
from clfa.jobs.outputs.folder import MANIFEST, FolderOutput, read_manifest
from clfa.jobs.parts import Parts
from clfa.jobs.pieces import Piece
from clfa.jobs.plan import PLAN
from clfa.jobs.record import Result
from clfa.jobs.summary import Summary
from clfa.jobs.worker import Outcome, ResultShape
from clfa.tables.shards import Shard
from posts import read_jsonl

SHAPE = ResultShape(pa.schema([("n", pa.int64())]))
PIECES = [
    Piece(shard.number, shard.path, shard.source, True, shard)
    for shard in (Shard(0, "/in/a.csv", "a.csv", 0, 2, 0, 9), Shard(1, "/in/a.csv", "a.csv", 2, 1, 9, 12))
]
IDENTITY = {"the kind of work": "predict", "the model": "abc", "the division into shards": 2, "the input": []}


def write(record: Parts, piece: Piece, values: Sequence[int], failing: bool = True) -> Summary:
    """Write a piece whose rows after the first fail."""
    with record.part(piece) as part:
        for number, value in enumerate(values):
            outcome = Outcome({"n": value}) if number == 0 else Outcome({}, "no text", "empty text")
            part.write([Result("a.csv", piece.first + number + 1, f"k{number}", outcome)])
            part.summary.rows += 1
            if outcome.error is None:
                part.summary.labels["good"] += 1
            else:
                part.summary.fail("empty text", f"row {number}: empty text")
    return part.summary


def opened(output: FolderOutput) -> Parts:
    record = output.record(SHAPE, False)
    assert isinstance(record, Parts)
    record.begin(IDENTITY, False)
    return record


@pytest.fixture
def output(tmp_path: Path) -> FolderOutput:
    return FolderOutput(tmp_path / "out")


def test_parts_and_manifest(output: FolderOutput, tmp_path: Path) -> None:
    record = opened(output)
    assert record.todo(PIECES) == PIECES
    first = write(record, PIECES[0], [5, 6])
    assert record.todo(PIECES) == PIECES[1:]
    assert record.summaries == {0: first}
    assert record.summary(PIECES[1]) is None
    second = write(record, PIECES[1], [7])
    second.seconds = 2.00049
    record.note(PIECES[1], second)
    leftover = output.path / f".part-000001.parquet.{'0' * 32}.tmp"
    leftover.write_text("of a killed worker")
    write_failures(record, PIECES, tmp_path / "failures.jsonl")
    output.finish(record, PIECES, {"kind": "predict"})
    total = record.total
    assert (total.rows, total.labels, total.failures) == (3, {"good": 2}, {"empty text": 1})
    assert total.examples == ["row 1: empty text"]
    assert sorted(path.name for path in output.path.iterdir()) == [
        MANIFEST,
        PLAN,
        "part-000000.parquet",
        "part-000001.parquet",
    ]
    manifest = read_manifest(output.path)
    assert (manifest["kind"], manifest["rows"]) == ("predict", 3)
    assert manifest["parts"] == [
        {"file": "part-000000.parquet", "source": "a.csv", "first_row": 1, "rows": 2, "failed": 1, "seconds": None},
        {"file": "part-000001.parquet", "source": "a.csv", "first_row": 3, "rows": 1, "failed": 0, "seconds": 2.0},
    ]
    # Parquet readers take the folder as one table.
    assert pq.read_table(output.path).to_pylist() == [
        {"source": "a.csv", "row": 1, "id": "k0", "n": 5, "error": None, "reason": None},
        {"source": "a.csv", "row": 2, "id": "k1", "n": None, "error": "no text", "reason": "empty text"},
        {"source": "a.csv", "row": 3, "id": "k0", "n": 7, "error": None, "reason": None},
    ]
    assert read_jsonl(tmp_path / "failures.jsonl") == [
        {"source": "a.csv", "row": 2, "id": "k1", "reason": "empty text", "message": "no text"}
    ]


def test_a_piece_done_twice_is_there_once(output: FolderOutput) -> None:
    record = opened(output)
    write(record, PIECES[0], [5, 6])
    write(record, PIECES[0], [5, 6])
    assert [path.name for path in output.path.glob("*part*")] == ["part-000000.parquet"]


def test_a_part_appears_only_when_it_is_whole(output: FolderOutput) -> None:
    record = opened(output)
    with pytest.raises(KeyboardInterrupt), record.part(PIECES[0]) as part:  # noqa: PT012
        part.write([Result("a.csv", 1, "x", Outcome({"n": 5}))])
        assert not record.file(PIECES[0]).exists()
        raise KeyboardInterrupt
    with pytest.raises(DataError, match=r"1 rows where 2 were counted; it changed meanwhile"):
        write(record, PIECES[0], [5])
    assert list(output.path.glob("*part*")) == []
    assert record.empty
    record.discard()
    assert not output.path.exists()


def test_other_work_is_refused(output: FolderOutput, tmp_path: Path) -> None:
    record = opened(output)
    # Of a plan alone nobody needs to be told.
    record.close()
    other = {**IDENTITY, "the model": "xyz", "the division into shards": 3}
    record.begin(other, False)
    record.close()
    record = opened(output)
    write(record, PIECES[0], [5, 6])
    record.close()
    with pytest.raises(DataError, match=r"out is unfinished, and the division into shards, the model changed since"):
        record.begin(other, False)
    assert record.file(PIECES[0]).exists()
    record.begin(other, True)
    assert not record.file(PIECES[0]).exists()
    assert json.loads((output.path / PLAN).read_text())["identity"] == other
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "notes.txt").write_text("mine")
    with pytest.raises(
        DataError, match=r"x is not empty and holds no results of this kind \(notes.txt\); give another "
    ):
        FolderOutput(tmp_path / "x").check()


def test_finished_results_are_not_replaced(output: FolderOutput) -> None:
    record = opened(output)
    for piece, values in zip(PIECES, ([5, 6], [7]), strict=True):
        record.note(piece, write(record, piece, values))
    output.finish(record, PIECES, {})
    output.refuse_finished(IDENTITY, False)
    with pytest.raises(DataError, match=r"holds finished results of other work \(the model differ\), which are not"):
        output.refuse_finished({**IDENTITY, "the model": "xyz"}, False)
    with pytest.raises(DataError, match=r"holds finished results, which are not replaced; give another outp"):
        output.refuse_finished(IDENTITY, True)


def test_damaged_and_foreign_parts(output: FolderOutput) -> None:
    record = opened(output)
    part = record.file(PIECES[0])
    part.write_text("no parquet")
    with pytest.raises(DataError, match=r"part-000000.parquet is damaged or of another origin; delete it"):
        record.todo(PIECES)
    pq.write_table(pa.table({"n": [1, 2]}), part)
    with pytest.raises(DataError, match=r"of another origin"):
        record.summary(PIECES[0])
    part.unlink()
    write(record, PIECES[0], [5, 6])
    other = Piece(0, "/in/a.csv", "a.csv", True, Shard(0, "/in/a.csv", "a.csv", 0, 3, 0, 9))
    with pytest.raises(DataError, match=r"has 2 rows instead of 3; delete it and run again"):
        record.summary(other)


def test_no_manifest(output: FolderOutput, tmp_path: Path) -> None:
    opened(output)
    with pytest.raises(DataError, match=r"is unfinished; run the same command again: it has no _manifest.json"):
        read_manifest(output.path)
    with pytest.raises(DataError, match=r"has no results: it has no _manifest.json"):
        read_manifest(tmp_path / "absent")


def test_arrays_go_to_folders(tmp_path: Path) -> None:
    from clfa.jobs.outputs import open_output

    shape: Any = ResultShape(SHAPE.schema, json=False)
    with pytest.raises(DataError, match=r"out.csv: arrays have no place in such a file; give a folder as output"):
        open_output(tmp_path / "out.csv").record(shape, True)
