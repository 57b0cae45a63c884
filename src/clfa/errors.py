"""Exceptions for users. Each message names the file, row or field, and says what to do.

A message that names an argument consists of several parts, one of them an :class:`Argument`. Python callers see the
argument as ``output``; the command line writes the flag of the command, ``--output``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Argument:
    """The name of an argument in a message.

    Args:
        name: Parameter name of the called Python function.
        value: A value of the argument; ``...`` for a value that the caller must choose.

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
    """Base class of clfa's errors. The command line prints them without a traceback.

    Args:
        parts: The message: one text, or several parts with arguments between them.

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
        """Return the message with each argument as ``spell`` writes it.

        Args:
            spell: Function that returns the text of an argument.
        """
        return "".join(spell(part) if isinstance(part, Argument) else str(part) for part in self.args)


class DataError(CLFAError):
    """Samples, tables or data directories that cannot be used."""


class ImageError(DataError):
    """An image that is missing, unreadable, truncated or larger than the limits."""


class RecipeError(CLFAError):
    """A recipe that is not valid: unknown key, wrong type, impossible combination."""


class ModelError(CLFAError):
    """A model, encoder or guide that cannot be loaded."""


class TrainingError(CLFAError):
    """A training that diverged: a loss or weight that is not a finite number."""
