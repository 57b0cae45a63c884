"""Options of readers on the command line."""

from __future__ import annotations

from typing import Annotated, Any

import typer

Option = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", metavar="KEY=VALUE", help="Option of the reader, for instance fold=3; repeatable."),
]


def reader_options(pairs: list[str]) -> dict[str, Any]:
    """Return the values of options ``KEY=VALUE``, the values as YAML.

    Raises:
        RecipeError: If an option has no key, or its value is not YAML.
    """
    import yaml

    from clfa.errors import RecipeError
    from clfa.yaml_text import parse_yaml

    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise RecipeError(f"--option {pair!r}: expected KEY=VALUE, for instance fold=3")
        try:
            options[key] = parse_yaml(value)
        except yaml.YAMLError as error:
            raise RecipeError(f"--option {pair!r}: the value is not valid YAML: {error}") from error
    return options
