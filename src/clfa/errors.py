"""Errors that users can act on: each message names the file, row or field and says what to do.

A message that names an argument is given in parts, with an :class:`Argument` among them. To a Python caller it reads
``output``; the command line writes the flag of the command that was called, ``--output``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Argument:
    """An argument that a message names.

    Args:
        name: Name of the parameter of the Python function that was called.
        value: A value to give or to leave out; ``...`` for one that the caller has to choose.

    Example:
        >>> [str(argument) for argument in (Argument("output"), Argument("text", ...), Argument("engine", "torch"))]
        ['output', 'text=...', "engine='torch'"]
    """

    name: str
    value: Any = None

    def __str__(self) -> str:
        if self.value is None:
            return self.name
        return f"{self.name}={'...' if self.value is ... else repr(self.value)}"


class CLFAError(Exception):
    """Base of every error clfa raises on purpose; the command line prints it without a traceback.

    Args:
        parts: The message, in one piece, or in several around the arguments that it names.

    Example:
        >>> error = CLFAError("posts.jsonl exists; give another ", Argument("output"), ".")
        >>> str(error)
        'posts.jsonl exists; give another output.'
        >>> error.spelled(lambda argument: f"--{argument.name}")
        'posts.jsonl exists; give another --output.'
    """

    def __init__(self, *parts: str | Argument) -> None:
        super().__init__(*parts)

    def __str__(self) -> str:
        return self.spelled(str)

    def spelled(self, spell: Callable[[Argument], str]) -> str:
        """The message with each argument in another spelling.

        Args:
            spell: Text for an argument.
        """
        return "".join(spell(part) if isinstance(part, Argument) else str(part) for part in self.args)


class DataError(CLFAError):
    """Samples, tables or data directories that cannot be used as they are."""


class ImageError(DataError):
    """An image that is missing, unreadable, truncated or larger than the limits."""


class RecipeError(CLFAError):
    """A recipe that does not validate: unknown key, wrong type, impossible combination."""


class ModelError(CLFAError):
    """A model, encoder or guide that cannot be loaded from the place given."""
