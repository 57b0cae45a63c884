"""A data set's folder of pictures, and the pictures that rows of the data set name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath

from clfa.data.assemble import EncodedImage
from clfa.data.layout import IMAGE_SUFFIXES
from clfa.errors import DataError
from clfa.tables.gate import PictureGate
from clfa.tables.paths import is_address
from clfa.targets.cells import UnusableCell


class PictureFolder:
    """Pictures below a folder, by the names in the rows of a data set.

    Rows come from downloaded files, so that a name must not lead out of the folder. The folder itself may be a symbolic
    link. Files in it that are links to elsewhere need the permission ``allow_outside``.

    Args:
        folder: The folder; ``None`` if this copy of the data set has no pictures.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder.resolve()
        self._gate = PictureGate.of_reader(str(self._folder or ""))
        self._by_stem = cache(_by_stem)

    @classmethod
    def find(cls, root: Path, names: tuple[str, ...], images_dir: str | None) -> PictureFolder:
        """Return the pictures in ``images_dir``, or in the first folder ``names`` of ``root`` that exists.

        Args:
            root: Folder of the data set.
            names: Usual names of its folder of pictures.
            images_dir: The folder as given by the user.

        Raises:
            DataError: If ``images_dir`` does not exist.
        """
        if images_dir is not None:
            folder = Path(images_dir).expanduser()
            if not folder.is_dir():
                raise DataError(f"{folder}: no such folder of pictures; give another images_dir")
            return cls(folder)
        return cls(next((root / name for name in names if (root / name).is_dir()), None))

    def of(self, name: object) -> EncodedImage | None:
        """Return the picture with a name, or ``None`` if there is no folder of pictures.

        If there is no file of this name, a file with the same name and another suffix of a picture is used. Without
        such a file, the result names the missing file, and the check of pictures reports it.

        Args:
            name: File name or path relative to the folder, in POSIX form, with or without a suffix.

        Raises:
            UnusableCell: If the name is empty, or not a path below the folder.
        """
        text = str(name or "").strip()
        path = PurePosixPath(text)
        outside = path.is_absolute() or ".." in path.parts or any(char in text for char in "\\\0")
        if not path.parts or outside or is_address(text) or os.path.splitdrive(text)[0]:
            raise UnusableCell("bad picture name", f"{name!r} is not the name of a file in the folder of pictures")
        if self._folder is None:
            return None
        # An exact file needs no listing of its folder.
        if not (self._folder / path).is_file():
            stem = path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name
            path = path.with_name(self._by_stem(self._folder / path.parent).get(stem, path.name))
        return self.at(path)

    def at(self, path: PurePosixPath | str) -> EncodedImage | None:
        """Return the picture at exactly this path, or ``None`` if there is no folder of pictures.

        The result is one whose reading raises an error if the path leads out of the folder, for instance by a symbolic
        link, and this is not permitted.

        Args:
            path: Path relative to the folder.
        """
        if self._folder is None:
            return None
        found = self._gate(str(path))
        return {"bytes": found["bytes"], "path": None} if isinstance(found, dict) else {"bytes": None, "path": found}

    def all_of(self, names: Iterable[object]) -> list[EncodedImage]:
        """Return those of several pictures whose files exist, else the first one, so that it is reported as missing.

        Args:
            names: See :meth:`of`.

        Raises:
            UnusableCell: As :meth:`of`.
        """
        pictures = [picture for name in names if (picture := self.of(name)) is not None]
        found = [picture for picture in pictures if picture["path"] and os.path.isfile(picture["path"])]
        return found or pictures[:1]


def _by_stem(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    names = sorted((entry.name for entry in os.scandir(folder)), reverse=True)
    return {os.path.splitext(n)[0]: n for n in names if os.path.splitext(n)[1].lower() in IMAGE_SUFFIXES}
