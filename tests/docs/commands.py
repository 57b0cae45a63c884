"""Command lines of the pages, checked without running them: they parse, and the names in them exist."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import typer
import yaml
from blocks import ROOT

from clfa.cli.main import app
from clfa.cli.reader_options import reader_options
from clfa.data.readers import READERS
from clfa.experiments.schema import load_experiment
from clfa.prediction.engines import ENGINES
from clfa.recipe import load_recipe, recipe_names
from clfa.runs.known_names import check_known

PROGRAM = typer.main.get_command(app)
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
# Programs of others; nothing is checked but that they are meant.
FOREIGN = {"curl", "docker", "export", "git", "ray", "cd", "#"}


def check_command(line: str, made: dict[str, Any]) -> None:
    """Check one line of shell.

    Args:
        line: The command.
        made: Files that blocks of the page write, by name: parsed YAML.

    Raises:
        ValueError: When a program, target, file or extra does not exist, or ``clfa`` does not know a command or an
            option, or refuses its value.
        CLFAError: When a recipe, an override, a reader or an engine does not exist.
    """
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_0-9]+=\S*", words[0]):
        words.pop(0)
    if not words:
        return
    program, arguments = words[0], words[1:]
    if "clfa.cli.main" in arguments:
        program, arguments = "clfa", arguments[arguments.index("clfa.cli.main") + 1 :]
    if program == "clfa":
        _check_clfa([word for word in arguments if word != "..."], made)
    elif program == "make":
        unknown = [word for word in arguments if "=" not in word and word not in TARGETS]
        if unknown:
            raise ValueError(f"make has no target {unknown}")
    elif program == "pip":
        named = {extra for word in arguments for extra in re.findall(r"[\w-]+", "".join(re.findall(r"\[(.*)\]", word)))}
        if not named <= set(EXTRAS):
            raise ValueError(f"no extra {named - set(EXTRAS)}")
    elif program == "python":
        _check_python(arguments)
    elif program.startswith("."):
        _require(ROOT / program)
    elif program not in FOREIGN:
        raise ValueError(f"unknown program {program!r}")


def _check_python(arguments: list[str]) -> None:
    if arguments[0] == "-m":
        module = ROOT / Path(*arguments[1].split("."))
        if arguments[1] not in sys.stdlib_module_names and not (
            module.with_suffix(".py").is_file() or (module / "__main__.py").is_file()
        ):
            raise ValueError(f"no module {arguments[1]!r}")
    elif arguments[0] != "-c":
        _require(ROOT / arguments[0])


def _require(path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"there is no {path.relative_to(ROOT)}")


def _check_clfa(words: list[str], made: dict[str, Any]) -> None:
    command: Any = PROGRAM
    names = []
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        names.append(words[0])
        if words[0] not in command.commands:
            raise ValueError(f"no command {' '.join(names)!r}")
        command = command.commands[words.pop(0)]
    # Exceptions of the click that Typer has, its own or the package.
    problem = next(kind for kind in type(command).__mro__ if kind.__name__ == "Command").__module__
    try:
        values = command.make_context("clfa", list(words)).params
    except importlib.import_module(f"{problem.rpartition('.')[0]}.exceptions").UsageError as error:
        raise ValueError(error.format_message()) from error
    if isinstance(values.get("engine"), str):
        ENGINES.require(values["engine"])
    match names:
        case ["train"] | ["tune"] | ["data", "embed"]:
            _check_recipe(values["recipe"], values.get("overrides") or [], made)
        case ["guide", "fit"]:
            _check_recipe(values["recipe"], values["option"] or [], made)
        case ["recipes"] if values["name"]:
            _check_recipe(values["name"], [], made)
        case ["experiment"] if values["source"] not in made:
            load_experiment(values["source"])
        case ["data", "check" | "issues" | "knowledge"]:
            READERS.require(values["name"])
            reader_options(values.get("option") or [])


def _check_recipe(name: str, overrides: list[str], made: dict[str, Any]) -> None:
    if name in recipe_names():
        recipe = load_recipe(name, overrides)
    else:
        # A file of the page, or one that an earlier command of it makes from any recipe.
        source = made.get(name)
        if source is None and "/" not in name:
            raise ValueError(f"no block of the page is the file {name!r}")
        recipe = load_recipe(write_recipe(source) if source else "offline", overrides)
    if "plugins" not in made:
        check_known(recipe)


def write_recipe(content: dict[str, Any]) -> Path:
    """Write a recipe where ``load_recipe`` finds it, and return its path."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False, encoding="utf-8") as file:
        yaml.safe_dump(content, file)
    return Path(file.name)


def check_mention(words: list[str]) -> None:
    """Check a command in a sentence, which may leave arguments out or name them in capitals.

    Raises:
        ValueError: When ``clfa`` has no such command, or the command no such option.
    """
    command: Any = PROGRAM
    for word in words:
        commands = getattr(command, "commands", {})
        if word in commands:
            command = commands[word]
        elif commands and not word.startswith("-"):
            raise ValueError(f"no command {word!r}; there are {', '.join(commands)}")
        elif word.startswith("-"):
            known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
            if word.partition("=")[0] not in {*known, "--help"}:
                raise ValueError(f"no option {word!r}; there are {', '.join(sorted(known))}")
