"""``python -m torture.fuzz tables``: inputs that atheris changes towards code that none has reached yet (``pip install atheris``).

The bytes of an input are a whole file, its suffix by the first byte. An input that ends in anything but a result or an error
for users is written to the working directory and ends the search; libFuzzer prints how to repeat it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

_SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
_INSTRUMENTED = {"tables": ["clfa.tables"], "recipes": ["clfa.recipe", "clfa.yaml_text", "clfa.fields"]}


def main(arguments: list[str] | None = None) -> None:
    """Search for inputs of a kind that end in a fault; libFuzzer ends the process with its own exit code."""
    parser = argparse.ArgumentParser(prog="python -m torture.fuzz", description=__doc__)
    parser.add_argument("kind", choices=sorted(_INSTRUMENTED))
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        import atheris
    except ImportError as error:
        raise SystemExit(f"the search needs atheris: pip install atheris ({error})") from None
    with atheris.instrument_imports(include=_INSTRUMENTED[options.kind]):
        importlib.import_module("clfa.tables.rows")
        importlib.import_module("clfa.recipe")
    folder = Path(tempfile.mkdtemp(prefix="clfa-fuzz-"))
    limits = [f"-runs={options.inputs}", f"-max_total_time={options.seconds}", f"-seed={options.seed}"]
    examples = folder / "examples"
    examples.mkdir()
    for number, content in enumerate(_examples(options.kind)):
        (examples / str(number)).write_bytes(content)
    # Seconds and megabytes of an input.
    atheris.Setup(
        [sys.argv[0], str(examples), *limits, "-timeout=5", "-rss_limit_mb=2000"], _tried(options.kind, folder)
    )
    atheris.Fuzz()


def _tried(kind: str, folder: Path) -> Callable[[bytes], None]:
    """Return the function that tries an input."""
    from clfa.errors import CLFAError
    from clfa.recipe import load_recipe
    from torture.tables import read_in_every_way

    def table(data: bytes) -> None:
        path = folder / f"table{_SUFFIXES[data[0] % len(_SUFFIXES)] if data else '.csv'}"
        path.write_bytes(data[1:])
        read_in_every_way(path, Random(0))

    def recipe(data: bytes) -> None:
        path = folder / "recipe.yaml"
        path.write_bytes(data[1:])
        found = load_recipe(path)
        found.save(folder / "again.yaml")
        if load_recipe(folder / "again.yaml") != found:
            raise AssertionError("the saved recipe is another one")

    attempt = table if kind == "tables" else recipe

    def tried(data: bytes) -> None:
        try:
            attempt(data)
        except CLFAError:
            return

    return tried


def _examples(kind: str) -> list[bytes]:
    """Return inputs to begin with: some of those of the trials, or all recipes."""
    from clfa.recipe import recipe_dir
    from torture.tables import make_table

    if kind == "recipes":
        return [b"\0" + path.read_bytes() for path in sorted(recipe_dir().glob("*.yaml"))]
    made = [make_table(Random(f"fuzz/{number}")) for number in range(200)]
    return [bytes([_SUFFIXES.index(suffix)]) + content for suffix, content in made if suffix in _SUFFIXES]


if __name__ == "__main__":
    main()
