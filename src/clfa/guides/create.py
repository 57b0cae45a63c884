"""Creation of guides by name, with checks of what those of other packages return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clfa.errors import RecipeError
from clfa.guides import GUIDES
from clfa.guides.base import Guide, GuideContext

_NEEDED: dict[str, type] = {"name": str, "dim": int, "fingerprint": str}


def create_guide(name: str, context: GuideContext, options: Mapping[str, Any]) -> Guide:
    """Create a guide for a run.

    Args:
        name: Name in :data:`clfa.guides.GUIDES`.
        context: What the run provides.
        options: Its options in the recipe.

    Raises:
        RecipeError: When there is no such guide, it does not take the options, or what it creates is no guide with
            name, dim and fingerprint.
    """
    try:
        guide = GUIDES.get(name).from_context(context, **options)
    except TypeError as error:
        if not options:
            raise
        given = ", ".join(f"guide.{option}" for option in options)
        raise RecipeError(f"the {name} guide cannot be created with {given}: {error}.") from error
    if not isinstance(guide, Guide):
        raise RecipeError(f"from_context of the {name} guide returned {guide!r}; it has to return the guide.")
    for attribute, kind in _NEEDED.items():
        if not isinstance(found := getattr(guide, attribute, None), kind):
            raise RecipeError(
                f"the {name} guide has {attribute} {found!r}; a guide sets name, dim (a whole number) and fingerprint "
                "(a text that changes with its embeddings: they are cached under it)."
            )
    return guide
