"""Output on the terminal: no text of a post, an id, a class or a path controls it."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

# Control characters but tab and line end, those that change the direction of what follows, and halves of characters.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: Any) -> str:
    r"""Return a text with its control characters as escapes.

    Example:
        >>> print(plain("\x1b[31mred\x1b[0m"))
        \x1b[31mred\x1b[0m
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def echo(text: Any = "") -> None:
    """Print a text on standard output."""
    typer.echo(plain(text))


def complain(text: Any) -> None:
    """Print an error on standard error, in red."""
    typer.secho(plain(text), fg=typer.colors.RED, err=True)


def console(**options: Any) -> Console:
    """Return a Rich console that shows texts as they are: without markup, emoji codes and control characters.

    Args:
        options: Arguments of ``rich.console.Console``.
    """
    from rich.console import Console
    from rich.text import Text

    class PlainConsole(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            return super().render_str(plain(text), **how)

    return PlainConsole(markup=False, emoji=False, **options)


class PlainFormatter(logging.Formatter):
    """Formatter of messages that shows control characters as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record))


def log_to_stderr(level: int, *, force: bool = False) -> None:
    """Print log messages on standard error, without anything around them.

    Args:
        level: The lowest level that is printed.
        force: Replace what was set before.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter("%(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=force)
