from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clfa.errors import DataError
from clfa.jobs.output import MANIFEST, PLAN, OutputFolder, Summary
from clfa.tables.shards import Shard

SCHEMA = pa.schema([("n", pa.int64())])
SHARDS = [Shard(0, "/in/a.csv", "a.csv", 0, 2, 0, 9), Shard(1, "/in/a.csv", "a.csv", 2, 1, 9, 12)]
PLAN_CONTENT = {"kind": "predict", "model": "abc", "rows_per_shard": 2, "files": []}


def write(folder: OutputFolder, shard: Shard, values: list[int]) -> Summary:
    summary = Summary(len(values), Counter(good=1), Counter({"empty text": len(values) - 1}), ["row 1: empty text"])
    with folder.writing(shard, SCHEMA, summary) as add:
        add(pa.table({"n": values}, SCHEMA))
    return summary


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    folder = OutputFolder(tmp_path / "out")
    folder.begin(PLAN_CONTENT)
    return folder


def test_parts_and_manifest(folder: OutputFolder) -> None:
    assert folder.finished(SHARDS) == {}
    first = write(folder, SHARDS[0], [5, 6])
    assert folder.finished(SHARDS) == {0: first}
    assert folder.summary(SHARDS[1]) is None
    second = write(folder, SHARDS[1], [7])
    leftover = folder.path / f".part-000001.parquet.{'0' * 32}.tmp"
    leftover.write_text("of a killed worker")
    total = folder.complete(SHARDS, folder.finished(SHARDS), {"kind": "predict"})
    assert total == Summary(3, Counter(good=2), Counter({"empty text": 1}), ["row 1: empty text"] * 2)
    assert sorted(path.name for path in folder.path.iterdir()) == [
        MANIFEST,
        PLAN,
        "part-000000.parquet",
        "part-000001.parquet",
    ]
    manifest = folder.manifest()
    assert manifest["rows"] == 3
    assert manifest["parts"] == [
        {"file": "part-000000.parquet", "source": "a.csv", "first_row": 1, "rows": 2, "failed": 1},
        {"file": "part-000001.parquet", "source": "a.csv", "first_row": 3, "rows": 1, "failed": 0},
    ]
    # Parquet readers take the folder as one table.
    assert pq.read_table(folder.path)["n"].to_pylist() == [5, 6, 7]
    assert second == folder.finished(SHARDS)[1]


def test_a_shard_done_twice_is_there_once(folder: OutputFolder) -> None:
    write(folder, SHARDS[0], [5, 6])
    write(folder, SHARDS[0], [5, 6])
    assert [path.name for path in folder.path.glob("*part*")] == ["part-000000.parquet"]


def test_a_part_appears_only_when_it_is_whole(folder: OutputFolder) -> None:
    summary = Summary(2)
    with pytest.raises(KeyboardInterrupt), folder.writing(SHARDS[0], SCHEMA, summary) as add:  # noqa: PT012
        add(pa.table({"n": [5]}, SCHEMA))
        assert not folder.part(SHARDS[0]).exists()
        raise KeyboardInterrupt
    with pytest.raises(DataError, match=r"1 rows where 2 were counted; it changed meanwhile"):
        write(folder, SHARDS[0], [5])
    assert [path.name for path in folder.path.iterdir()] == [PLAN]


def test_the_same_work_is_gone_on_with_and_other_work_refused(folder: OutputFolder, tmp_path: Path) -> None:
    folder.begin(PLAN_CONTENT)
    with pytest.raises(DataError, match=r"holds results of other work: model, --shard-rows differ\(s\)\. Give another"):
        folder.begin({**PLAN_CONTENT, "model": "xyz", "rows_per_shard": 3})
    with pytest.raises(DataError, match=r"the input files differ"):
        folder.begin({**PLAN_CONTENT, "files": [{"path": "/a"}]})
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"x is not empty and holds no results of this kind"):
        OutputFolder(tmp_path / "x").begin(PLAN_CONTENT)
    with pytest.raises(DataError, match=r"notes.txt is not empty"):
        OutputFolder(tmp_path / "x" / "notes.txt").begin(PLAN_CONTENT)
    assert json.loads((folder.path / PLAN).read_text()) == PLAN_CONTENT


def test_damaged_and_foreign_parts(folder: OutputFolder) -> None:
    part = folder.part(SHARDS[0])
    part.write_text("no parquet")
    with pytest.raises(DataError, match=r"part-000000.parquet is damaged or of another origin; delete it"):
        folder.finished(SHARDS)
    pq.write_table(pa.table({"n": [1, 2]}), part)
    with pytest.raises(DataError, match=r"of another origin"):
        folder.summary(SHARDS[0])
    part.unlink()
    write(folder, SHARDS[0], [5, 6])
    other = Shard(0, "/in/a.csv", "a.csv", 0, 3, 0, 9)
    with pytest.raises(DataError, match=r"has 2 rows instead of 3; delete it and run again"):
        folder.summary(other)


def test_no_manifest(folder: OutputFolder, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is unfinished; run the same command again: it has no _manifest.json"):
        folder.manifest()
    with pytest.raises(DataError, match=r"has no results: it has no _manifest.json"):
        OutputFolder(tmp_path / "absent").manifest()


def test_examples_are_few() -> None:
    total = Summary()
    for number in range(4):
        total.add(Summary(3, examples=[f"{number}.{n}" for n in range(3)]))
    assert total.rows == 12
    assert total.examples == [f"{n // 3}.{n % 3}" for n in range(10)]
