from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.errors import DataError
from clfa.tables import json_array
from clfa.tables.json_array import JsonArrayTable
from clfa.tables.json_lines import JsonLinesTable
from clfa.tables.row import Row
from clfa.tables.rows import open_rows

ROWS = [{"id": "1", "text": "so [sunny], {really}"}, {"id": "2", "text": 'said "no"'}, {"id": "3", "text": "è\\ 😀"}]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".ndjson", ".JSONL"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("block", [3, 1 << 18])
def test_arrays(tmp_path: Path, suffix: str, indent: int | None, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "_BLOCK", block)
    for encoding, content in (("utf-8", json.dumps(ROWS, indent=indent)), ("utf-16", json.dumps(ROWS, indent=indent))):
        path = tmp_path / f"t{suffix}"
        path.write_text(f"\n {content} \n", encoding=encoding)
        table = open_rows(path)
        assert isinstance(table, JsonArrayTable)
        assert table.columns == ("id", "text")
        assert list(table) == [Row(n, row) for n, row in enumerate(ROWS, start=1)]
        assert list(table.rows(2)) == [Row(3, ROWS[2])]
        assert [list(table.stretch(part)) for part in table.stretches(2)] == [list(table)[:2], list(table)[2:]]


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_lines(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    path.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n", encoding="utf-8-sig")
    table = open_rows(path)
    assert isinstance(table, JsonLinesTable)
    assert [(row.values, row.line) for row in table] == [(row, n) for n, row in enumerate(ROWS, start=1)]
    path.write_text(json.dumps(ROWS[0]))
    assert [row.values for row in open_rows(path)] == ROWS[:1]


def test_array_with_broken_elements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_array, "_BLOCK", 8)
    path = tmp_path / "t.json"
    path.write_text('[{"id": 1},\n{"id": 2, broken},\n3, {"id": 4},\n{"id": "5,\n{"id": 6},\n{"id": 7}]')
    rows = list(open_rows(path))
    assert [row.values for row in rows] == [{"id": 1}, {}, {}, {"id": 4}, {}, {"id": 6}, {"id": 7}]
    assert [row.line for row in rows] == [1, 2, 3, 3, 4, 5, 6]
    assert [row.error.split(":")[0] for row in rows if row.error] == [
        "not valid JSON",
        "a JSON object was expected, not int",
        "not valid JSON",
    ]


@pytest.mark.parametrize("block", [1, 7, 1 << 18])
@pytest.mark.parametrize(("cut", "good"), [(4, 0), (9, 0), (10, 1), (12, 1), (20, 1), (22, 2), (23, 2)])
def test_an_array_that_breaks_off(
    tmp_path: Path, cut: int, good: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_array, "_BLOCK", block)
    path = tmp_path / "t.json"
    whole = '[{"id": 1}, {"id": 2} ]'
    path.write_text(whole[:cut])
    errors = [row.error for row in open_rows(path)]
    assert errors[:good] == [None] * good
    # The end is one row more, with the reason, unless the file is whole.
    assert [error is None for error in errors[good:]] == [False] * (cut < len(whole))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"data": [{"text": "a"}], "version": 1}',
            r"is one JSON object, not a list of objects\. The rows seem to be in the list",
        ),
        ('{\n "data": [\n{"text": "a"}\n]\n}', r"is one JSON object, .* in the list 'data': write one object per line"),
        ('{"text": {"0": "a", "1": "b"}, "label": {"0": "x", "1": "y"}}', r"is one JSON object, .*orient='records'"),
        ('{"text": ["a", "b"], "label": ["x", "y"]}', r"is one JSON object, .*orient='records', lines=True"),
        ('{\n "text": {"0": "a"},\n "label": {"0": "b"}\n}', r"is one JSON object, .*orient='records', lines=True"),
    ],
)
def test_one_object_is_no_table(tmp_path: Path, content: str, message: str) -> None:
    for suffix in (".json", ".jsonl"):
        path = tmp_path / f"t{suffix}"
        path.write_text(content)
        with pytest.raises(DataError, match=message):
            open_rows(path)


def test_values(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    lines = [
        '{"text": NaN, "n": Infinity, " label ": "x"}',
        '{"text": "so sad \\ud83d", "n": ["\\udc00a\\u0000", {"k\\ud83d": "\\ud83d\\ude00"}]}',
        '{"text": "a", "text": "b"}',
        '{"text": "a", " text": "b"}',
        '{"text": 5, "n": 1.0}',
    ]
    path.write_text("\n".join(lines))
    table = open_rows(path)
    assert table.columns == ("text", "n", "label")
    assert list(table) == [
        Row(1, {"text": None, "n": float("inf"), "label": "x"}),
        Row(2, {"text": "so sad ", "n": ["a", {"k": "\U0001f600"}]}),
        Row(3, {}, "field 'text' occurs twice"),
        Row(4, {}, "a field occurs twice, if blanks around its name are ignored"),
        Row(5, {"text": 5, "n": 1.0}),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes('{"text": "很好吃的东西"}\r\n{"text": "naïve\u2028"}\r\n'.encode(encoding))
    assert [row.values["text"] for row in open_rows(path)] == ["很好吃的东西", "naïve\u2028"]


def test_lines_in_several_encodings(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes('{"text": "naïve café"}\n'.encode("cp1252") + '{"text": "naïve"}\n'.encode() + b"\xff\xfe\x01{}\n")
    rows = list(open_rows(path))
    assert [row.values.get("text") for row in rows] == ["naïve café", "naïve", None]
    assert rows[2].error is not None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=200)
@given(st.lists(VALUES, max_size=8), st.sampled_from([None, 0, 1]), st.integers(1, 40))
def test_arrays_of_anything(values: list[Any], indent: int | None, block: int) -> None:
    content = json.dumps([{"v": "first"}, *values], indent=indent)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_array, "_BLOCK", block)
        path = Path(folder) / "t.json"
        path.write_text(content, encoding="utf-8")
        rows = list(open_rows(path))
    assert len(rows) == 1 + len(values)
    assert [row.error is None for row in rows[1:]] == [
        isinstance(value, dict) and len({k.strip() for k in value}) == len(value) for value in values
    ]


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from(list('{}[]",:\\ \n\r\x001aé')), max_size=60), st.sampled_from([".json", ".jsonl"]))
def test_any_text_is_read_or_refused(body: str, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t{suffix}"
        path.write_bytes(body.encode())
        try:
            rows = list(open_rows(path))
        except DataError:
            return
        assert [row.number for row in rows] == list(range(1, len(rows) + 1))


def test_one_row_with_a_list_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a", "labels": ["x", "y"]}\n')
    assert [row.values for row in open_rows(path)] == [{"text": "a", "labels": ["x", "y"]}]
