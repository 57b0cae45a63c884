"""A full disk, an output that cannot be written: one line, before the work where it can be known."""

from __future__ import annotations

import errno
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
