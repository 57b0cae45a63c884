"""Hostile recipes and overrides: each is a recipe that can be saved and read again, or refused."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import yaml

from clfa.recipe import load_recipe, recipe_dir, recipe_names
from torture import battery
from torture.damage import damaged
from torture.tally import Tally

SECONDS = 5.0
MEGABYTES = 300.0
_VALUES = (
    "0", "-1", "1", "0.5", "1e400", "-1e400", ".inf", ".nan", "1e-400", "null", "true", "~", "''", "[]", "{}", "[1, 2]",
    "{a: 1}", "text", "!!python/object/apply:os.system [true]", "!!python/name:os.system", "&a [*a]", "*missing", "2024-01-01",
    "'\\0'", "\"\\ud83d\"", "99999999999999999999", "0x10", "0o17", "1_000", "../..", "[[[[[[]]]]]]", "? a", "- a", "a: b: c",
    "<<: {a: 1}", "!!binary aGk=", "!!set {a}", "12:30:45", "=", "%", "@", "`", "{", "[", "\"", "|", ">",
)  # fmt: skip


def run(trials: int, seed: int, work: Path, deadline: float, first: int = 0) -> Tally:
    """Try hostile recipes.

    Args:
        trials: Number of recipes.
        seed: Seed.
        work: Folder for the recipes.
        deadline: ``time.monotonic`` after which no further recipe is tried.
        first: Number of the first recipe.
    """
    contents = {name: yaml.safe_load((recipe_dir() / f"{name}.yaml").read_text("utf-8")) for name in recipe_names()}
    sources = [(recipe_dir() / f"{name}.yaml").read_bytes() for name in recipe_names()]
    keys = sorted(key for recipe in map(load_recipe, recipe_names()) for key in _keys(recipe.model_dump()))

    def attempt(random: Random, number: int) -> str:
        path = work / "recipe.yaml"
        way = random.random()
        if way < 0.4:
            changes = [f"{_key(random, keys)}={random.choice(_VALUES)}" for _ in range(random.choice((1, 1, 2, 3)))]
            recipe = load_recipe(random.choice(list(contents)), changes)
        else:
            if way < 0.7:
                path.write_bytes(damaged(random.choice(sources), random))
            else:
                path.write_text(_changed(random.choice(list(contents.values())), random), "utf-8", "surrogatepass")
            recipe = load_recipe(path)
        again = work / "again.yaml"
        recipe.save(again)
        if load_recipe(again) != recipe:
            raise AssertionError("the saved recipe is another one")
        return "accepted"

    limits = {"seconds": SECONDS, "megabytes": MEGABYTES, "deadline": deadline}
    return battery.run(Tally("recipes", seed), attempt, range(first, first + trials), **limits)


def _keys(content: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in content.items():
        found.append(f"{prefix}{key}")
        if isinstance(value, dict):
            found += _keys(value, f"{prefix}{key}.")
    return found


def _key(random: Random, keys: list[str]) -> str:
    key = random.choice(keys)
    return random.choice((key, key, key, key, f"{key}.x", key[:-1], f".{key}", "", f"{key}..", "a.b.c", key.upper()))


def _changed(content: dict[str, Any], random: Random) -> str:
    """Return a recipe as YAML in which a value or a whole section is another."""
    copy: dict[str, Any] = yaml.safe_load(yaml.safe_dump(content))
    section, keys = copy, list(copy)
    if random.random() < 0.7:
        inner = [value for value in copy.values() if isinstance(value, dict)]
        section = random.choice(inner or [copy])
        keys = list(section)
    section[random.choice([*keys, "unknown", "name"])] = "\uffffPLACE"
    return yaml.safe_dump(copy, allow_unicode=False).replace('"\\uFFFFPLACE"', random.choice(_VALUES))
