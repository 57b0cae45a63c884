"""Registries: mappings of names to implementations, which are imported on first use."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar, overload

from clfa.errors import RecipeError
from clfa.nearest import did_you_mean

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Registry:
    """Lazy mapping of names in recipes to objects.

    Names are defined by this package, by :meth:`register`, and by entry points that installed packages declare in the
    registry's group. Entry points are read when a name is not known, or all names are listed. Names of this package and
    registered names take precedence.

    Args:
        kind: Kind of the entries, for messages and for the group (``"fusion"``, ``"knowledge source"``).
        entries: Name -> ``"module:attribute"``.
        base: ``"module:class"`` that the objects of other packages must be derived from; ``None`` where they are
            functions. It is imported with the first of them.

    Attributes:
        group: Group of the entry points: ``"clfa.fusions"``, ``"clfa.knowledge_sources"``.

    Example:
        >>> numbers = Registry("number", {"pi": "math:pi"})
        >>> numbers.get("pi")
        3.141592653589793
        >>> numbers.register("zero", 0)
        0
        >>> numbers.group, numbers.names()
        ('clfa.numbers', ['pi', 'zero'])
    """

    def __init__(self, kind: str, entries: Mapping[str, str], base: str | None = None) -> None:
        self.kind = kind
        self.base = base
        self._own = dict(entries)
        self.group = f"clfa.{kind.replace(' ', '_')}s"
        self._entries: dict[str, Any] = dict(entries)
        self._found: dict[str, EntryPoint] | None = None

    @overload
    def register(self, name: str, *, replace: bool = False) -> Callable[[T], T]: ...

    @overload
    def register(self, name: str, value: T, *, replace: bool = False) -> T: ...

    def register(self, name: str, value: Any = None, *, replace: bool = False) -> Any:
        """Add a name in this process. Installable packages declare an entry point instead.

        Args:
            name: Name in recipes.
            value: The object, or ``"module:attribute"`` to import it on first use. Without it, the method is a
                decorator.
            replace: Whether an existing name is replaced.

        Returns:
            ``value``, or the decorator.

        Raises:
            ValueError: If the name exists and ``replace`` is false, or a text is not ``"module:attribute"``.
        """
        if name in self._entries and not replace:
            raise ValueError(f"the {self.kind} {name!r} exists; choose another name, or replace it with replace=True.")
        if value is None:

            def decorate(decorated: T) -> T:
                return self.register(name, decorated, replace=replace)

            return decorate
        if isinstance(value, str) and not all(value.partition(":")):
            raise ValueError(f"the {self.kind} {name!r} is {value!r}; give an object or 'module:attribute'.")
        self._entries[name] = value
        return value

    def names(self) -> list[str]:
        """Return the known names in registration order; those of other packages last."""
        return list(dict.fromkeys([*self._entries, *self._plugins()]))

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._plugins()

    def require(self, name: str) -> None:
        """Check that a name is known, without importing what it stands for.

        Raises:
            RecipeError: If it is unknown; the message lists the known names and the nearest.
        """
        if name not in self:
            known = self.names()
            hint = did_you_mean(name, known)
            if not hint and ":" in name:
                # A downloaded model could name any code.
                hint = (
                    f" Import paths are no names: declare an entry point in the group {self.group}, or call register()."
                )
            elif not hint:
                hint = " If it is a plugin's, install the package that declares it, or import what registers it."
            raise RecipeError(f"unknown {self.kind} {name!r}; known: {', '.join(known)}.{hint}")

    def get(self, name: str) -> Any:
        """Return the object with the given name.

        Raises:
            RecipeError: If the name is unknown (the message lists the known names and the nearest), its entry point
                cannot be imported, or it is not derived from the class that it has to be.
        """
        if name not in self._entries:
            return self._require_base(name, self._load_plugin(name))
        value = self._entries[name]
        found = _imported(value) if isinstance(value, str) else value
        own = isinstance(value, str) and value == self._own.get(name)
        return found if own else self._require_base(name, found)

    def _require_base(self, name: str, found: Any) -> Any:
        """Return an object of another package, after a check that it can be used where it is needed."""
        if self.base is None:
            return found
        base = _imported(self.base)
        if not isinstance(found, type) or not issubclass(found, base):
            raise RecipeError(
                f"the {self.kind} {name!r} is {found!r}; it must be a class derived from "
                f"{base.__module__}.{base.__name__}."
            )
        # Also without ABCMeta, and methods of the class, which Python would call.
        lacking = [part for part in dir(found) if getattr(getattr(found, part, None), "__isabstractmethod__", False)]
        if lacking:
            raise RecipeError(
                f"the {self.kind} {name!r} does not define {', '.join(lacking)}; see "
                f"{base.__module__}.{base.__name__} for what it has to do."
            )
        return found

    def _load_plugin(self, name: str) -> Any:
        self.require(name)
        plugin = self._plugins()[name]
        try:
            return plugin.load()
        except Exception as error:  # Another package's code.
            raise RecipeError(
                f"the {self.kind} {name!r} of {_origin(plugin)} cannot be imported: {type(error).__name__}: {error}. "
                "Update or remove that package."
            ) from error

    def _plugins(self) -> dict[str, EntryPoint]:
        """Return the entry points by name, except for names that exist already."""
        if self._found is None:
            self._found = {}
            for plugin in entry_points(group=self.group):
                if plugin.name in self._entries or plugin.name in self._found:
                    taken = "clfa" if plugin.name in self._entries else _origin(self._found[plugin.name])
                    logger.warning(
                        "The %s %r of %s is ignored: %s already has this name.",
                        self.kind,
                        plugin.name,
                        _origin(plugin),
                        taken,
                    )
                else:
                    self._found[plugin.name] = plugin
        return self._found


def _imported(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _origin(plugin: EntryPoint) -> str:
    return f"the package {plugin.dist.name}" if plugin.dist is not None else f"{plugin.value}"
