"""Problems of recipes in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from clfa.nearest import suggestion
from clfa.recipe.recipe import Recipe
from clfa.strict_model import problem_text
from clfa.targets.spec import TargetSpec


def override_of(problem: Any, overrides: Sequence[str]) -> str | None:
    """Return the last override that sets the value of a problem, a value in it, or the section that it is in."""
    location = ".".join(str(part) for part in problem["loc"])
    for override in reversed(overrides):
        key = override.partition("=")[0]
        if location and (f"{location}.".startswith(f"{key}.") or f"{key}.".startswith(f"{location}.")):
            return f"override {override!r}"
    return None


def _fields_of(annotation: Any) -> Any:
    """Return the fields of a section, also of one that may be left out."""
    sections = [kind for kind in (annotation, *get_args(annotation)) if hasattr(kind, "model_fields")]
    return sections[0].model_fields if sections else {}


def explain(problem: Any) -> str:
    """Return what is wrong at which key, of an error of pydantic; with the most similar key if it is unknown."""
    location = [str(part) for part in problem["loc"]]
    place = ".".join(location)
    if problem["type"] != "extra_forbidden":
        got = "" if isinstance(problem["input"], dict) else f" (got {problem['input']!r})"
        if problem["type"] in ("model_type", "dict_type", "model_attributes_type"):
            return f"{place}: a section is needed, keys with values{got}"
        return f"{place}: {problem_text(problem, got)}" if place else problem_text(problem, got)
    *parents, last = location
    fields: Any = Recipe.model_fields
    for parent in parents:
        # The names of targets are free; below each is a section.
        fields = _fields_of(fields[parent].annotation) if parent in fields else TargetSpec.model_fields
    return f"unknown key {place!r}. {suggestion(last, fields)}"
