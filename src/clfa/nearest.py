"""Known names and existing paths that are close to a misspelt one, for messages."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

# A folder of pictures may have millions of entries; a hint is not worth more than these.
_MOST_ENTRIES = 10_000


def close_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is closest to ``name``, ``None`` if none is close.

    Letter case, and the difference between blanks, dashes and underscores, do not count.

    Args:
        name: The name that is not known.
        known: The known names.

    Example:
        >>> close_name("Cross-Atention", ["concat", "cross_attention"])
        'cross_attention'
    """
    by_key: dict[str, str] = {}
    for one in known:
        by_key.setdefault(_key(one), one)
    found = difflib.get_close_matches(_key(name), by_key, n=1)
    return by_key[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the closest known name, with a blank before it; empty if none is close.

    Args:
        name: The name that is not known.
        known: The known names.

    Example:
        >>> did_you_mean("concta", ["concat", "sum"]), did_you_mean("xyz", ["concat", "sum"])
        (" Did you mean 'concat'?", '')
    """
    found = close_name(name, known)
    return "" if found is None else f" Did you mean {found!r}?"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the closest known name, or with all known names if none is close.

    Args:
        name: The name that is not known.
        known: The known names.

    Example:
        >>> suggestion("concta", ["concat", "sum"]), suggestion("xyz", ["concat", "sum"])
        ("Did you mean 'concat'?", 'Known here: concat, sum.')
    """
    known = list(known)
    return did_you_mean(name, known).strip() or f"Known here: {', '.join(known)}."


def path_hint(path: str | os.PathLike[str]) -> str:
    """Return a sentence about a path that does not exist, with a blank before it: a close one, or what is missing.

    Empty if all folders above it exist and none of their entries is close.

    Args:
        path: The path.
    """
    wanted = Path(path).expanduser()
    missing = wanted
    try:
        while not missing.parent.exists() and missing.parent != missing:
            missing = missing.parent
        with os.scandir(missing.parent) as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False)]
    except (OSError, ValueError):
        return ""
    found = close_name(missing.name, names)
    if found is not None:
        close = missing.parent / found / wanted.relative_to(missing)
        if close.exists():
            return f" Did you mean {str(close)!r}?"
        return path_hint(close) or f" There is no folder {str(missing)!r}."
    return "" if missing == wanted else f" There is no folder {str(missing)!r}."


def _key(name: str) -> str:
    return name.strip().casefold().replace("-", "_").replace(" ", "_")
