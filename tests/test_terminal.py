"""Texts do not control the terminal."""

from __future__ import annotations

import io
import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from clfa.terminal import complain, console, echo, plain

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \x9b2J \r[red]x[/red] :smile: \u202egnp.exe"
SHOWN = r"\x1b[31mred\x1b]0;title\x07 \x9b2J \r[red]x[/red] :smile: \u202egnp.exe"


@given(st.text())
def test_only_characters_that_can_be_printed_are_left(text: str) -> None:
    shown = plain(text)
    assert shown.encode().decode() == shown
    assert not any((character < " " and character not in "\t\n") or "\x7f" <= character < "\xa0" for character in shown)
    if text.isprintable():
        assert shown == text


def test_plain_texts(capsys: pytest.CaptureFixture[str]) -> None:
    echo(HOSTILE)
    complain(HOSTILE)
    written = capsys.readouterr()
    assert written.out == f"{SHOWN}\n"
    assert SHOWN in written.err


def test_rich_tables_have_no_markup_and_no_control_characters() -> None:
    file = io.StringIO()
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE)
    screen = console(file=file, width=200, force_terminal=True)
    screen.print(table)
    screen.print(HOSTILE, highlight=False)
    shown = file.getvalue()
    assert "title\x07" not in shown
    assert not set(shown) & set("\x07\x9b\r\u202e")
    # Rich's own colours are the only escapes.
    assert shown.count(r"\x1b]0;title\x07") == 4
    assert shown.count("[red]x[/red] :smile:") == 4


def test_log_messages() -> None:
    program = "import logging; from clfa.terminal import log_to_stderr; log_to_stderr(logging.INFO); "
    program += "logging.info('row %r: %s', 1, '\\x1b[31mx')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "row 1: \\x1b[31mx\n"
    assert logging.getLogger().level != logging.NOTSET
