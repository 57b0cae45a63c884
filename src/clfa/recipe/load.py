"""Reading of recipes from YAML with ``key=value`` overrides."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from clfa.errors import RecipeError
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.named_yaml import read_named_yaml
from clfa.recipe.explain import explain, override_of
from clfa.recipe.recipe import Recipe
from clfa.yaml_text import parse_yaml


def recipe_dir() -> Path:
    """Folder of the recipes that come with the package."""
    return Path(__file__).parents[1] / "recipes"


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in recipe_dir().glob("*.yaml"))


def load_recipe(source: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
    """Read and validate a recipe.

    Args:
        source: A YAML file, or the name of a recipe that comes with the package.
        overrides: ``section.key=value`` each, the value as YAML: ``model.alpha=0``, ``data.options.text=tweet``,
            ``model.vision_encoder=null``.

    Raises:
        RecipeError: If the recipe does not exist, is not YAML, or has an invalid key or value; the message names the
            key and the most similar valid key.
    """
    if isinstance(overrides, (str, Mapping)):
        kind = type(overrides).__name__
        raise RecipeError(f"overrides is a list of texts, such as ['training.epochs=1']; got one of type {kind}.")
    path, content = read_named_yaml(source, recipe_dir(), "recipe")
    if not isinstance(content, dict):
        raise RecipeError(f"{path} is not a recipe; its top level needs the keys {', '.join(Recipe.model_fields)}.")
    content.setdefault("name", path.stem)
    for override in overrides:
        _apply(content, override)
    where = f"recipe {path.stem}" if path.parent == recipe_dir() else str(path)
    return validate_recipe(content, where, overrides)


def validate_recipe(content: dict[str, Any], where: str = "recipe", overrides: Sequence[str] = ()) -> Recipe:
    """Validate a mapping.

    Args:
        content: As read from YAML.
        where: Named in messages.
        overrides: The overrides in it; one that is wrong is named in place of ``where``.

    Raises:
        RecipeError: Listing every wrong key and value.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        places: dict[str, list[str]] = {}
        for problem in error.errors():
            places.setdefault(override_of(problem, overrides) or where, []).append(explain(problem))
        problems = [f"{place}: {'; '.join(found)}" for place, found in places.items()]
        raise RecipeError("; ".join(problems)) from error
    except RecursionError as error:
        raise RecipeError(f"{where}: a value contains itself, or lies in too many others; write it out.") from error


def validate_knowledge(content: dict[str, Any], where: str) -> KnowledgeRecipe:
    """Validate a ``knowledge`` section by itself.

    Args:
        content: Its keys.
        where: Named in messages.

    Raises:
        RecipeError: Listing every wrong key and value.
    """
    return validate_recipe({"name": "knowledge", "knowledge": content}, where).knowledge


def _apply(content: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise RecipeError(f"override {override!r} is not of the form section.key=value, for instance model.alpha=0.")
    *parents, last = key.split(".")
    section = content
    for parent in parents:
        if section.get(parent) is None:
            section[parent] = {}
        section = section[parent]
        if not isinstance(section, dict):
            raise RecipeError(f"override {override!r}: {parent!r} is a value, not a section.")
    try:
        section[last] = parse_yaml(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"override {override!r}: the value is not valid YAML: {error}") from error
    # YAML 1.1 reads 1e-4 as a string; people mean a number. Quoted, it stays a string.
    if isinstance(section[last], str) and any(character.isdigit() for character in value):
        with contextlib.suppress(ValueError):
            section[last] = float(value)
