from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clfa.errors import DataError, ModelError
from clfa.prediction.early import check_early
from clfa.tables.row import TableOptions


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working directory with a folder that may be a model, and a table."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "posts.csv").write_text("tweet;photo\na;b\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": "mien"}, ModelError, r"Did you mean 'mine'\?"),
        ({"source": "post.csv"}, DataError, r"input post\.csv does not exist; .* Did you mean 'posts\.csv'\?"),
        ({"output": Path("x.pickle")}, DataError, r"x\.pickle: unknown suffix '\.pickle'"),
        (
            {"given": {"text": "twet"}},
            DataError,
            r"no column 'twet' .*Did you mean 'tweet'",
        ),
        ({"tables": TableOptions(";"), "given": {"image": "foto"}}, DataError, r"Did you mean 'photo'\?"),
    ],
)
@pytest.mark.usefixtures("place")
def test_what_does_not_exist(change: dict[str, Any], error: type[Exception], message: str) -> None:
    right: dict[str, Any] = {
        "model": "mine",
        "source": "posts.csv",
        "output": Path("x.jsonl"),
        "given": {"text": "tweet"},
        "tables": TableOptions(),
    }
    check_early(**right)
    with pytest.raises(error, match=message):
        check_early(**{**right, **change})


def test_nothing_heavy_is_imported() -> None:
    program = "import sys, clfa.prediction.early; print(sorted({'torch', 'transformers', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
