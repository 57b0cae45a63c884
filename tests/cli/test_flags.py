from __future__ import annotations

import pytest
from typer.main import get_command

from clfa.cli.flags import flags
from clfa.cli.main import app
from clfa.errors import Argument


@pytest.mark.parametrize(
    ("words", "argument", "text"),
    [
        (["train", "offline", "--output", "a"], Argument("output"), "--output"),
        (["train", "offline"], Argument("resume", True), "--resume"),
        # An option of the reader is an override of the recipe.
        (["train", "offline"], Argument("text", ...), "data.options.text=..."),
        (["data", "check", "table", "posts.csv"], Argument("text", ...), "--option text=..."),
        # `--text` of this command is a post's text; the column has an option of its own.
        (["predict", "runs/mine", "posts.csv"], Argument("text", ...), "--text-column"),
        (["predict", "runs/mine"], Argument("identifier", ...), "--id-column"),
        (["predict", "runs/mine"], Argument("shard_rows"), "--shard-rows"),
        (["predict", "runs/mine"], Argument("engine", "torch"), "--engine torch"),
        # Arguments without a flag of the command, and no command at all.
        (["report", "runs/mine"], Argument("dry_run", True), "--dry-run"),
        ([], Argument("output"), "--output"),
    ],
)
def test_flags_of_the_command_that_was_called(words: list[str], argument: Argument, text: str) -> None:
    assert flags(get_command(app), words)(argument) == text
