"""Names of a package that are imported on first use."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str], moved: Mapping[str, str] | None = None) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package whose names are imported on first use.

    Args:
        package: Name of the package.
        homes: Module of each name.
        moved: Module of each name that is found elsewhere today, with ``:NAME`` if it is called otherwise there. Each
            use is a ``DeprecationWarning``.

    Example:
        >>> lazy_names("numbers", {"pi": "math"})("pi")
        3.141592653589793
    """

    def import_name(name: str) -> Any:
        if name in homes:
            return getattr(importlib.import_module(homes[name]), name)
        if moved is None or name not in moved:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, today = moved[name].partition(":")
        warnings.warn(
            f"{package}.{name} is {module}.{today or name} now; the old name is removed in clfa 0.3.",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(importlib.import_module(module), today or name)

    return import_name
