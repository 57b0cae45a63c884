"""What the rows of a table may open beyond the pictures in its folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from clfa.errors import Argument, RecipeError
from clfa.tables.hosts import PRIVATE

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+")
# Schemes that may open any file or program of this machine, whatever follows them: each has to be named.
_NAMED_ONLY = frozenset({"asynclocal", "dir", "file", "generic", "git", "jupyter", "local", PRIVATE, "reference"})


@dataclass(frozen=True)
class Access:
    """Permissions of rows.

    Args:
        urls: Schemes of the addresses that rows may name (``("https", "s3")``); ``True`` for all but those that open
            files of this machine (``file``, ``reference``, ...), which have to be named. ``private`` among them permits
            private hosts (:mod:`clfa.tables.hosts`), and ``all`` stands for all but those to be named.
        outside: Whether local paths may lead out of the folder of pictures.
    """

    urls: bool | tuple[str, ...] = False
    outside: bool = False

    @classmethod
    def of(cls, urls: bool | str | Sequence[str] = False, outside: bool = False) -> Access:
        """Return the permissions in the forms that recipes and callers write.

        Args:
            urls: ``True``, ``False``, a scheme or several.
            outside: See the class.

        Raises:
            RecipeError: If something is no scheme.

        Example:
            >>> Access.of(["HTTPS", "s3"])
            Access(urls=('https', 's3'), outside=False)
        """
        if isinstance(urls, bool):
            return cls(urls, outside)
        given: Sequence[Any] = [urls] if isinstance(urls, str) else urls
        schemes = [str(scheme).strip().lower().removesuffix("://") for scheme in given]
        for scheme in schemes:
            if not _SCHEME.fullmatch(scheme):
                raise RecipeError(Argument("allow_urls"), f": {scheme!r} is no scheme; give one such as https or s3.")
        named = tuple(sorted(set(schemes)))
        return cls(named == ("all",) or named or False, outside)

    def allows(self, scheme: str) -> bool:
        """Return whether rows may name addresses of a scheme.

        Args:
            scheme: In lower case.
        """
        if not _SCHEME.fullmatch(scheme):
            return False
        if isinstance(self.urls, bool):
            return self.urls and scheme not in _NAMED_ONLY
        return scheme in self.urls or ("all" in self.urls and scheme not in _NAMED_ONLY)

    def to_dict(self) -> dict[str, Any]:
        """Return the permissions as JSON values, for the identity of unfinished work."""
        return {"allow_urls": self.urls if isinstance(self.urls, bool) else list(self.urls), "outside": self.outside}


CLOSED = Access()


@dataclass(frozen=True)
class Reading:
    """The data set that is being read.

    Args:
        access: Permissions of its rows.
        folders: Local folders whose pictures they may name, beside the folder of each table.
        required: Fields (``text``) that its model reads, so that each table must have a column of them; ``None`` if no
            model is known yet.
    """

    access: Access = CLOSED
    folders: tuple[str, ...] = ()
    required: tuple[str, ...] | None = None


_reading: ContextVar[Reading | None] = ContextVar("reading", default=None)


def current_reading() -> Reading:
    """Return the data set that is being read; nothing is permitted outside of :func:`reading`."""
    return _reading.get() or Reading()


@contextmanager
def reading(access: Access, folders: Sequence[str] = (), required: Sequence[str] | None = None) -> Iterator[None]:
    """Return a context in which readers, also those of other packages, find the permissions of the rows.

    Args:
        access: Permissions of the rows.
        folders: See :class:`Reading`.
        required: See :class:`Reading`.
    """
    token = _reading.set(Reading(access, tuple(folders), None if required is None else tuple(required)))
    try:
        yield
    finally:
        _reading.reset(token)
