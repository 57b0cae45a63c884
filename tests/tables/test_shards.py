from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.errors import DataError
from clfa.tables import lines
from clfa.tables.rows import iter_rows
from clfa.tables.shards import list_files, plan_shards, shard_rows

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


def rows_of(shards: Any, columns: Any = None) -> list[Any]:
    return [row for shard in shards for row in shard_rows(shard, columns)]


def assert_same_rows(path: Path, size: int) -> None:
    """Shards hold what the whole file holds, each row once, in order, under its number."""
    shards = plan_shards([path], size)
    assert rows_of(shards) == list(iter_rows(path))
    assert [len(list(shard_rows(shard))) for shard in shards] == [shard.rows for shard in shards]
    assert all(shard.rows == size for shard in shards[:-1])
    assert 0 < shards[-1].rows <= size
    assert [shard.number for shard in shards] == list(range(len(shards)))


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.fixed_dictionaries({"text": CELLS}), st.integers(), st.none()), min_size=1, max_size=12),
    st.integers(1, 5),
    st.sampled_from(["\n", "\r\n", "\n\n \n"]),
    st.booleans(),
)
def test_json_lines(values: list[Any], size: int, end: str, ended: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "posts.jsonl"
        lines = end.join("{broken" if value is None else json.dumps(value) for value in values)
        path.write_bytes((lines + end * ended).encode())
        assert_same_rows(path, size)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_is_cut_between_rows(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "posts.csv"
    path.write_text('text,image\n\na,1\n\n"b\nc",2\nd,3\n', encoding=encoding)
    assert [(shard.first, shard.rows) for shard in plan_shards([path], 2)] == [(0, 2), (2, 1)]
    assert_same_rows(path, 2)
    assert_same_rows(path, 1)


def test_lines_too_long_to_read_are_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (lines,):
        monkeypatch.setattr(place, "MAX_LINE", 16)
    path = tmp_path / "posts.jsonl"
    for end in ("\n", ""):
        path.write_text('{"a": 1}\n' + "x" * 40 + "\n" + '{"b": 2}\n' + "y" * 20 + end, encoding="utf-8")
        assert_same_rows(path, 1)
        assert len(plan_shards([path], 1)) == 4


def test_parquet_is_cut_between_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "posts.parquet"
    table = pa.table({"text": [f"t{n}" for n in range(10)], "other": range(10)})
    pq.write_table(table, path, row_group_size=3)
    shards = plan_shards([path], 6)
    assert [(shard.start, shard.stop, shard.first, shard.rows) for shard in shards] == [(0, 2, 0, 6), (2, 4, 6, 4)]
    assert rows_of(shards) == list(iter_rows(path))
    assert [row.values for row in shard_rows(shards[1], ["text", "absent"])] == [
        {"text": f"t{n}"} for n in range(6, 10)
    ]
    # Rows without any of the columns still are rows.
    assert [(row.number, row.values) for row in shard_rows(shards[1], ["absent"])] == [(n, {}) for n in range(7, 11)]
    # A row group is never cut.
    assert [shard.rows for shard in plan_shards([path], 2)] == [3, 3, 3, 1]


def test_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("b/2.jsonl", "a/1.jsonl", "a/3.jsonl", "_notes.jsonl", ".part.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"text": "x"}\n' * 2)
    (tmp_path / "picture.jpg").write_text("")
    files = list_files(tmp_path)
    assert files == [tmp_path / name for name in ("a/1.jsonl", "a/3.jsonl", "b/2.jsonl")]
    assert list_files(f"{tmp_path}/a/*.jsonl") == files[:2]
    # A pattern asks for what it says.
    assert list_files(f"{tmp_path}/**/*.jsonl") == [tmp_path / "_notes.jsonl", *files]
    shards = plan_shards(files, 10)
    assert [shard.source for shard in shards] == ["a/1.jsonl", "a/3.jsonl", "b/2.jsonl"]
    assert [shard.first for shard in shards] == [0, 0, 0]
    assert plan_shards(files, 10) == shards
    assert plan_shards(files[:1])[0].source == "1.jsonl"


def test_inputs_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent does not exist; give a file, a folder or a pattern"):
        list_files(tmp_path / "absent")
    with pytest.raises(DataError, match=r"no input files in .*; supported suffixes: .csv, .tsv, .jsonl"):
        list_files(tmp_path)
    with pytest.raises(DataError, match=r"no input files in"):
        list_files(tmp_path / "*.csv")
    (tmp_path / "a.csv").write_text("text\n")
    (tmp_path / "b.jsonl").write_text("\n")
    with pytest.raises(DataError, match=r"files of several formats \(.csv, .jsonl\); choose with '\*.csv'"):
        list_files(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"a.txt: unknown suffix '.txt'"):
        list_files(tmp_path / "a.*")
    with pytest.raises(DataError, match=r"the input has no rows: 2 empty file\(s\), for instance .*a.csv"):
        plan_shards([tmp_path / "a.csv", tmp_path / "b.jsonl"])
    (tmp_path / "c.parquet").write_text("no parquet")
    with pytest.raises(DataError, match=r"c.parquet is not a Parquet file"):
        plan_shards([tmp_path / "c.parquet"])


def test_a_parquet_file_that_breaks_off(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x" * 50] * 5}), path, compression="none", use_dictionary=False)
    (shard,) = plan_shards([path])
    content = bytearray(path.read_bytes())
    content[4:40] = b"\xff" * 36
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a.parquet is damaged after row 0"):
        list(shard_rows(shard))
