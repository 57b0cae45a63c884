"""A full disk, an output that cannot be written: one line, before the work where it can be known."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from clfa.cli import main as main_module
from clfa.files import final_name
from posts import make_posts, write_csv


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs ``clfa`` as the console does; returns the line on standard error."""

    def run(*arguments: Any) -> str:
        monkeypatch.setattr(sys, "argv", ["clfa", *map(str, arguments)])
        monkeypatch.setattr(logging, "basicConfig", lambda **options: None)
        with pytest.raises(SystemExit) as stopped:
            main_module.main()
        captured = capsys.readouterr()
        assert stopped.value.code == 1
        assert "Traceback" not in captured.out + captured.err
        (line,) = [line for line in captured.err.splitlines() if line.startswith("Error: ")]
        return line

    return run


# Arguments of each command, PLACE for the output.
COMMANDS = {
    "train": ("train", "offline", "--data-dir", "TABLE", "--output", "PLACE"),
    "predict": ("predict", "RUN", "TABLE", "--output", "PLACE.jsonl"),
    "experiment": ("experiment", "smoke", "--output", "PLACE"),
    "export": ("export", "onnx", "RUN", "--output", "PLACE"),
    "guide fit": ("guide", "fit", "TABLE", "--output", "PLACE"),
    "check": ("data", "check", "table", "TABLE", "--output", "PLACE.parquet"),
    "check --report": ("data", "check", "table", "TABLE", "--report", "PLACE.json"),
    "check --dropped": ("data", "check", "table", "TABLE", "--dropped", "PLACE.csv"),
    "issues": ("data", "issues", "table", "TABLE", "--output", "PLACE.html"),
    "knowledge": ("data", "knowledge", "table", "TABLE", "--sources", "column", "--output", "PLACE.parquet"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_below_a_file_is_one_line(
    fails: Any, tiny_run: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command == "export":
        pytest.importorskip("onnx")
    (tmp_path / "file").touch()
    table = write_csv(tmp_path / "posts.csv", make_posts(tmp_path, 20))
    words = {"TABLE": str(table), "RUN": str(tiny_run)}
    place = str(tmp_path / "file" / "out")
    arguments = [words.get(part, part.replace("PLACE", place)) for part in COMMANDS[command]]
    line = fails(*arguments)
    assert str(tmp_path / "file") in line
    assert "Not a directory" in line or "is not a" in line or "File exists" in line
    assert (tmp_path / "file").read_bytes() == b""


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/.metrics.json.0a1b2c3d-77-4e5f6a7b.tmp")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FULL, "runs/metrics.json: No space left on device. Free some space and run the same command again."),
        (OSError("two\nlines"), "two lines."),
        (PermissionError(errno.EACCES, "Permission denied", "a", None, "b"), "a -> b: Permission denied."),
        (TimeoutError(), "TimeoutError."),
    ],
)
def test_an_error_of_the_system_is_one_line(
    fails: Any, monkeypatch: pytest.MonkeyPatch, error: OSError, line: str
) -> None:
    def fail(**options: Any) -> None:
        raise error

    monkeypatch.setattr(main_module, "app", fail)
    assert fails("recipes") == f"Error: {line}"


def test_other_names_are_left_as_they_are() -> None:
    for name in ("a.tmp", ".hidden", ".a.tmp", "dir/.x.csv.12345678-1.tmp"):
        assert final_name(name) == name
    assert final_name(b"d/.x.y.12345678-9-abcdef01.old") == "d/x.y"
    assert final_name("/a//.onnx.12345678-9-abcdef01.tmp/model.onnx") == "/a//onnx/model.onnx"


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "check", "table", "POSTS.jsonl", "--dropped", "POSTS.jsonl"),
        ("data", "check", "table", "POSTS.jsonl", "--output", "x/../POSTS.jsonl"),
        ("data", "issues", "table", "POSTS.jsonl", "--output", "POSTS.html"),
        ("data", "knowledge", "table", "POSTS.jsonl", "--sources", "column", "--output", "POSTS.jsonl"),
        ("predict", "RUN", "POSTS.jsonl", "--output", "out.jsonl", "--failures", "POSTS.jsonl"),
        ("predict", "RUN", "POSTS.jsonl", "--output", "x/../POSTS.jsonl"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_no_output_replaces_the_input(
    fails: Any, tiny_run: Path, tmp_path: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``data issues`` writes its records beside the page, ``POSTS.jsonl`` beside ``POSTS.html``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    content = "\n".join(json.dumps({"text": f"a {n}", "label": n % 2}) for n in range(20))
    (tmp_path / "POSTS.jsonl").write_text(content)
    line = fails(*(tiny_run if word == "RUN" else word for word in arguments))
    assert "POSTS.jsonl is the input" in line
    assert (tmp_path / "POSTS.jsonl").read_text() == content


def test_failures_are_written_to_another_file_than_predictions(fails: Any, tiny_run: Path, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "posts.csv", make_posts(tmp_path, 4))
    same = tmp_path / "out.jsonl"
    assert "is named for two outputs" in fails("predict", tiny_run, table, "--output", same, "--failures", same)
    (tmp_path / "folder").mkdir()
    line = fails("predict", tiny_run, table, "--output", same, "--failures", tmp_path / "folder")
    assert line.endswith("folder cannot be written: it is a folder.")
    assert not same.exists()
