"""Check of the name of a target within a second, before PyTorch is imported and the data are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clfa.errors import Argument, DataError
from clfa.nearest import did_you_mean
from clfa.targets.fields import LABEL


def check_target(reader: str, options: Mapping[str, Any], target: str | None) -> None:
    """Check that a reader's options define a target. Readers with targets of their own are not asked.

    Args:
        reader: Name of the reader.
        options: Options of the reader.
        target: Name of the target; ``None`` for the first one.

    Raises:
        DataError: If there is no such target; the message has the closest one.
    """
    if target is None or reader not in ("table", "hub"):
        return
    given = options.get("targets")
    known = list(given) if isinstance(given, Mapping) else [LABEL]
    if target not in known:
        raise DataError(*no_target(target, known))


def no_target(name: str, known: Sequence[str]) -> tuple[str | Argument, ...]:
    """Return the message about a target that does not exist.

    Args:
        name: Its name.
        known: Names of the targets.
    """
    message = f"there is no target {name!r}; targets: {', '.join(known)}.{did_you_mean(name, known)}"
    if list(known) != [LABEL]:
        return (message,)
    return (f"{message} If {name!r} is the column of the labels, name it with ", Argument("label", ...), ".")
