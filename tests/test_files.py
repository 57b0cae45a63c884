from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfa.files import atomic_write, write_json, write_jsonl
from clfa.jobs.lines import json_line


def test_write_json_makes_its_folder_and_keeps_unicode(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.json"
    write_json(path, {"text": "naïve 🙂", "n": [1, 2]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"text": "naïve 🙂", "n": [1, 2]}
    assert "naïve 🙂" in path.read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8").endswith("}\n")


def test_write_jsonl_is_one_object_per_line(tmp_path: Path) -> None:
    rows = [{"id": "1", "text": "two\nlines"}, {"id": "2", "text": "ü"}]
    write_jsonl(tmp_path / "rows.jsonl", iter(rows))
    lines = (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"id": "old"}])

    def rows() -> Iterator[dict[str, Any]]:
        yield {"id": "new"}
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_jsonl(path, rows())
    assert path.read_text(encoding="utf-8") == '{"id": "old"}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


def test_nothing_is_seen_under_the_name_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with atomic_write(path) as file:
        file.write("half")
        file.flush()
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "half"


def test_what_is_not_json_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"set": {1}})
    assert list(tmp_path.iterdir()) == []


def test_finished_files_follow_the_umask(tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text("x")
    with atomic_write(tmp_path / "atomic.txt") as file:
        file.write("x")
    assert (tmp_path / "atomic.txt").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), np.float64("nan")])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [1, x], lambda x: {"a": {"b": (x, 1.5)}}])
def test_json_has_no_nan(tmp_path: Path, value: float, wrap: Any) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    write_json(tmp_path / "x.json", {"found": wrap(value), "ü": 0.1})
    expected = json.loads(json.dumps({"found": wrap(None), "ü": 0.1}))
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8"), parse_constant=refuse) == expected
    write_jsonl(tmp_path / "x.jsonl", [{"found": wrap(value), "ü": 0.1}])
    assert json.loads((tmp_path / "x.jsonl").read_text(encoding="utf-8"), parse_constant=refuse) == expected
    line = json_line({"found": wrap(value), "ü": 0.1})
    assert json.loads(line, parse_constant=refuse) == expected
    assert "ü" in line
