"""The one gate through which every picture passes that a row of data names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from clfa.tables.access import CLOSED, Access, current_reading
from clfa.tables.hosts import PRIVATE, names_private_host
from clfa.tables.paths import is_address, resolve_path
from clfa.tables.pictures import refused_picture, unusable_picture

# Reasons of refusals; they name the setting, so that counts by reason do.
OUTSIDE = "image needs allow_outside"
ADDRESS = "image needs allow_urls"

_LOCAL = ("file", "local")
# Usual names of a folder of pictures beside a folder of tables.
_BESIDE = ("images", "img", "photos", "pictures")


class PermittedAddress(str):
    """An address that has passed the gate. Texts in data are never of this type."""


class PictureGate:
    """Decides which pictures the rows of one table may name.

    A relative path is joined to the folder of pictures. A local path must lie in that folder, or in one of the other
    folders, after symbolic links are resolved; the folders themselves may be links. An address needs a permission,
    unless it is a relative path below a folder of pictures that is itself an address, which the user has named.

    Args:
        root: Folder or address that relative paths start from; ``""`` for the working directory.
        access: Permissions of the rows.
        folders: Other folders whose pictures the rows may name.
        named: Whether the user has named the root. One that comes with a model is not, and needs the permission of its
            scheme if it is an address.
    """

    def __init__(self, root: str, access: Access = CLOSED, folders: Iterable[str] = (), *, named: bool = True) -> None:
        scheme, mark, rest = root.partition("://")
        self.root = rest if mark and scheme.lower() in _LOCAL and "::" not in root else root
        self.access = access
        self._folders = tuple(folders)
        self._named = named

    @classmethod
    def of_reader(cls, root: str) -> PictureGate:
        """Return the gate of a table of the data set that is being read (:func:`clfa.tables.access.reading`)."""
        found = current_reading()
        return cls(root, found.access, found.folders)

    def __call__(self, path: str) -> str | dict[str, Any]:
        """Return the path or address to open, or a picture whose reading raises the refusal.

        Args:
            path: The path or address in the row.
        """
        if "\0" in path:
            return unusable_picture(f"{path!r}: a path with a NUL character is no file name")
        if is_address(path):
            return self._address(path)
        place = resolve_path(path, self.root)
        if not is_address(place):
            return self._local(place, path)
        steps = unquote(path).replace("\\", "/").split("/")
        if ".." in steps or "::" in place or not self._named:
            return self._address(place)
        # The user has named the root, so that what is below needs no permission.
        return PermittedAddress(f"{PRIVATE}::{place}" if self._private_root else place)

    def _local(self, place: str, path: str) -> str | dict[str, Any]:
        # A network share of Windows looks like a relative path elsewhere.
        if self.access.outside or (not path.startswith("\\\\") and self._inside(place)):
            return place
        folder = self.root or f"the working directory {os.getcwd()}"
        return refused_picture(
            OUTSIDE,
            f"{place}: not in {folder}, where rows may name pictures; give their folder as image_root, or permit all "
            "with allow_outside (data.allow_outside=true in a recipe, --allow-outside)",
        )

    def _inside(self, place: str) -> bool:
        try:
            real = os.path.realpath(place)
        except (OSError, ValueError):
            return False
        return any(real == root or real.startswith(root.rstrip(os.sep) + os.sep) for root in self._roots)

    @cached_property
    def _roots(self) -> tuple[str, ...]:
        folders = [folder for folder in (self.root or os.getcwd(), *self._folders) if not is_address(folder)]
        return tuple(os.path.realpath(folder) for folder in folders)

    @cached_property
    def _private_root(self) -> bool:
        return names_private_host(self.root)

    def _address(self, path: str) -> str | dict[str, Any]:
        given = path.split("::")
        private = self.access.allows(PRIVATE)
        # Only what is permitted is taken off: otherwise it is refused below, as any scheme that is not.
        links = [link for link in given if link != PRIVATE] if private else given
        for number, link in enumerate(links):
            scheme = _scheme(link, alone=len(links) == 1)
            if scheme and not self.access.allows(scheme):
                return refused_picture(
                    ADDRESS,
                    f"{path}: rows may not name addresses of {scheme!r}; permit them with allow_urls "
                    f"(data.allow_urls=[{scheme}] in a recipe, --allow-urls {scheme})",
                )
            if not scheme or scheme in _LOCAL:
                name = link.partition("://")[2] if scheme else link
                place = self._local(resolve_path(name, self.root), name)
                if isinstance(place, dict) or len(links) == 1:
                    return place
                links[number] = place
        return PermittedAddress("::".join([PRIVATE, *links] if private else links))


def table_folders(folder: str) -> tuple[str, ...]:
    """Return the local folders whose pictures a table may name: its own, and ``images`` (or ``img``, ...) beside it.

    Args:
        folder: Folder or address of the table; ``""`` for one in memory.
    """
    if not folder or is_address(folder):
        return ()
    parent = os.path.dirname(os.path.realpath(folder))
    beside = (os.path.join(parent, name) for name in _BESIDE)
    return (folder, *(place for place in beside if os.path.isdir(place) and not os.path.islink(place)))


def _scheme(link: str, *, alone: bool) -> str:
    """Return the scheme of a link of a chained address in lower case; ``""`` for a local path."""
    scheme, mark, _ = link.partition("://")
    if mark:
        return scheme.lower() or "?"
    if link[:5].lower() == "data:":
        return "data"
    # In a chain, a word stands for the protocol of this name (`simplecache::https://...`).
    return link if not alone and link.isascii() and link.isalpha() and link.islower() else ""


def callers_pictures(cell: Any, access: Access = CLOSED) -> Any:
    """Return an image cell that a Python caller gave, with addresses that are not permitted replaced by refusals.

    Local paths are the caller's own and stay.

    Args:
        cell: An image in any form, a list of them, or ``None``.
        access: Permissions of addresses.
    """
    if isinstance(cell, (list, tuple)):
        return [callers_pictures(entry, access) for entry in cell]
    path = cell.get("path") if isinstance(cell, Mapping) and cell.get("bytes") is None else cell
    if isinstance(path, PermittedAddress) or not isinstance(path, str) or not is_address(path):
        return cell
    found = PictureGate("", Access(access.urls, outside=True))(path)
    return found if isinstance(found, dict) or not isinstance(cell, Mapping) else {"bytes": None, "path": found}
