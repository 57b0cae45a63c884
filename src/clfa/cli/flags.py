"""Conversion of argument names in error messages to command-line flags."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from clfa.errors import Argument

# Parameters of the library's functions whose options have another name.
_OPTIONS = {
    "text": "text_column",
    "image": "image_column",
    "identifier": "id_column",
    "id": "id_column",
    "source": "data_dir",
}
# How commands take the options of a reader: parameter of the command -> what stands before ``name=...``.
_READER_OPTIONS = {"overrides": "data.options.", "option": "--option "}


def flags(app: Any, words: Iterable[str]) -> Callable[[Argument], str]:
    """Return a function that converts argument names to flags of the called command.

    Args:
        app: The whole program, as a click command.
        words: Command-line arguments after the program name.

    Returns:
        A function for :meth:`clfa.errors.CLFAError.spelled`: the option that stands for the argument; where there is
        none, the way in which the command takes options of readers, or ``--name``.
    """
    options = {parameter.name: parameter for parameter in _called(app, words).params}

    def spell(argument: Argument) -> str:
        value = "" if argument.value in (None, True, ...) else f" {argument.value}"
        for name in (_OPTIONS.get(argument.name), argument.name):
            if name in options and options[name].opts[0].startswith("--"):
                return options[name].opts[0] + value
        for name, prefix in _READER_OPTIONS.items():
            if argument.value is ... and name in options:
                return f"{prefix}{argument}"
        return f"--{argument.name.replace('_', '-')}{value}"

    return spell


def _called(command: Any, words: Iterable[str]) -> Any:
    for word in words:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
    return command
