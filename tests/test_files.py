from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfa.errors import DataError
from clfa.files import atomic_write, read_json, require_apart, require_writable, write_json, write_jsonl
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


def test_json_of_clfa_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"text": "\u8bbd"})
    assert read_json(tmp_path / "a.json", dict, "train again") == {"text": "\u8bbd"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b'{"a": [1, 2', "Expecting ','"),
        (b"\xff\xfe\x00", ""),
        (b"[" * 100_000, "recursion"),
        (b"null", "it holds no object"),
        (b"[]", "it holds no object"),
    ],
    ids=["empty", "half", "bytes", "deep", "null", "list"],
)
def test_damaged_json_is_one_error_with_advice(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_json(path, dict, "train again")
    assert str(error.value).startswith(f"{path} is damaged ({'it' if reason.startswith('it') else ''}")
    assert reason in str(error.value)
    assert str(error.value).endswith("); train again.")


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


@pytest.mark.parametrize("file", [True, False])
def test_outputs_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path, file: bool) -> None:
    def refused(path: str | Path) -> str:
        with pytest.raises(DataError) as caught:
            require_writable(path, file=file)
        return str(caught.value)

    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert refused(tmp_path / "file" / "x" / "y").endswith(f"y cannot be written: Not a directory ({tmp_path}/file).")
    # The temporary name is longer than the final one.
    assert refused(tmp_path / ("n" * 250)).endswith(f"n cannot be written: File name too long ({tmp_path}).")
    assert "n/x cannot be written: File name too long (" in refused(tmp_path / ("n" * 300) / "x")
    assert "\\x00' cannot be written: " in refused(tmp_path / "nul\0")
    assert "\\ud83d' cannot be written: " in refused(f"{tmp_path}/\ud83d")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert refused(tmp_path / "pipe").endswith("pipe cannot be written: it is a device, a pipe or a socket.")
        assert refused("/dev/null") == "/dev/null cannot be written: it is a device, a pipe or a socket."
    with pytest.raises(DataError, match="file cannot be written: it is a file, where a folder is made"):
        require_writable(tmp_path / "file", folder=True)
    if file:
        assert refused(tmp_path / "folder").endswith("folder cannot be written: it is a folder.")
    before = sorted(tmp_path.iterdir())
    require_writable(tmp_path / "new" / "x", file=file)
    require_writable(tmp_path / "file", file=file)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_no_file_takes_the_place_of_a_device_or_pipe(tmp_path: Path) -> None:
    """Else a prediction by root with the output /dev/null leaves the machine without it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a device, a pipe or a socket"):
        write_json(tmp_path / "pipe", {})
    assert (tmp_path / "pipe").is_fifo()
    assert len(list(tmp_path.iterdir())) == 1


def test_outputs_are_other_files_than_inputs_and_each_other(tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.touch()
    (tmp_path / "link").symlink_to(posts)
    (tmp_path / "a").mkdir()
    for same in (posts, tmp_path / "a" / ".." / "posts.jsonl", tmp_path / "link"):
        with pytest.raises(DataError) as caught:
            require_apart([None, same], [str(posts), {"no": "path"}])
        assert str(caught.value) == f"{same} is the input, which would be lost; give another output."
        with pytest.raises(DataError, match="is named for two outputs; give another for one of them"):
            require_apart([posts, same])
    require_apart([posts, tmp_path / "other", None], [tmp_path])
