"""Names to implementations, imported only when asked for."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from clfa.errors import RecipeError


class Registry:
    """Lazy mapping from a name in a recipe to the object it stands for.

    Args:
        kind: What the entries are, for messages (``"fusion"``, ``"reader"``).
        entries: Name -> ``"module:attribute"``.

    Example:
        >>> Registry("number", {"pi": "math:pi"}).get("pi")
        3.141592653589793
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def names(self) -> list[str]:
        """Known names, in registration order."""
        return list(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def get(self, name: str) -> Any:
        """The object behind ``name``.

        Raises:
            RecipeError: When the name is unknown; the message lists the known ones and the nearest.
        """
        if name not in self._entries:
            nearest = difflib.get_close_matches(name, self._entries, n=1)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
            raise RecipeError(f"unknown {self.kind} {name!r}; known: {', '.join(self._entries)}.{hint}")
        module, _, attribute = self._entries[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
