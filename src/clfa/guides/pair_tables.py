"""Unlabelled pairs in tables of any size, read in chunks."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from clfa.data.image_check import MISSING, ImageChecker, reason_of
from clfa.data.images import image_key
from clfa.data.schema import Dropped
from clfa.data.validation import EMPTY_TEXT
from clfa.errors import ImageError
from clfa.guides.base import Pairs
from clfa.store import text_key
from clfa.tables.access import CLOSED, Access
from clfa.tables.cells import Cells, read_cells
from clfa.tables.columns import Columns, find_columns
from clfa.tables.gate import PictureGate, table_folders
from clfa.tables.paths import is_address
from clfa.tables.pictures import MAX_IMAGES, as_cell, pictures_of
from clfa.tables.row import Row, TableOptions
from clfa.tables.rows import open_rows
from clfa.tables.shards import list_files
from clfa.tables.table import Table

HELD_OUT = "held out"
# Rows whose images may be in memory together.
_ROWS = 1024


@dataclass
class PairTables:
    """Pairs in tables, in chunks, with the rows that cannot be used.

    A row is left out if it cannot be read, lacks a text or an image, its image cannot be decoded, or its text or image
    is held out. Of several images, those that cannot be decoded are left out, and the row only if none can.

    Args:
        places: Table files, folders of them, patterns or fsspec addresses of files.
        given: Column by field (text, image), where the caller names it; every table must have it.
        columns: Columns of another table, for instance the run's; preferred where a table has them. Otherwise columns
            are found by their usual names.
        held_out: Content keys of texts and images that no pair may have, for instance those of a test split.
        decodable: Keys of images that need no check, for instance of those whose features are cached.
        access: What rows may open.

    Attributes:
        count: Number of pairs found when the tables were last read.
        dropped: The rows left out when the tables were last read.
        digest: Of the pairs and their order, when the tables were last read to the end.
    """

    places: Sequence[str | Path]
    given: Mapping[str, str | None] = field(default_factory=dict)
    columns: Columns = field(default_factory=Columns)
    held_out: Container[bytes] = frozenset()
    decodable: Container[bytes] = frozenset()
    access: Access = CLOSED
    count: int = field(default=0, init=False)
    dropped: list[Dropped] = field(default_factory=list, init=False)
    digest: str | None = field(default=None, init=False)

    def __iter__(self) -> Iterator[Pairs]:
        """Read the tables from the beginning.

        Raises:
            DataError: If a table cannot be read, or has no column of texts or images.
        """
        self.count, self.dropped, self.digest = 0, [], None
        digest = hashlib.blake2b(digest_size=16)
        checker = ImageChecker()
        for table, columns in _tables(self.places, self.given, self.columns, ("text", "image")):
            rows = iter(table)
            gate = PictureGate(table.folder, self.access, table_folders(table.folder))
            while chunk := list(islice(rows, _ROWS)):
                pairs = self._usable(table, [(row, read_cells(row, columns, gate)) for row in chunk], checker)
                self.count += len(pairs)
                for keys in zip(pairs.text_keys, pairs.image_keys, strict=True):
                    digest.update(b"".join(keys))
                if len(pairs):
                    yield pairs
        self.digest = digest.hexdigest()

    def dropped_counts(self) -> dict[str, int]:
        """Return the number of rows left out by reason, the most frequent first."""
        return dict(Counter(dropped.reason for dropped in self.dropped).most_common())

    def _usable(self, table: Table, rows: Sequence[tuple[Row, Cells]], checker: ImageChecker) -> Pairs:
        texts: list[tuple[str, bytes]] = []
        images: list[list[tuple[Any, bytes]]] = []
        sources: list[tuple[str, str]] = []
        for row, cells in rows:
            source = cells.id, table.place(row)
            if row.error is not None:
                self._drop(source, "unreadable row", row.error)
            elif cells.text is None:
                self._drop(source, EMPTY_TEXT, "the row has no text")
            elif cells.image is None:
                self._drop(source, MISSING, "the row has no image")
            else:
                try:
                    text, pictures = text_key(cells.text), _readable(cells.image)
                except ImageError as error:
                    self._drop(source, reason_of(error), str(error))
                    continue
                if text in self.held_out or any(key in self.held_out for _, key in pictures):
                    side = "text" if text in self.held_out else "image"
                    self._drop(source, HELD_OUT, f"the {side} is one of those that must not be fitted on")
                    continue
                texts.append((cells.text, text))
                images.append(pictures)
                sources.append(source)
        places = [(i, picture, key) for i, own in enumerate(images) for picture, key in own]
        unchecked = [place for place in places if place[2] not in self.decodable]
        problems = zip(unchecked, checker.check(picture for _, picture, _ in unchecked), strict=True)
        bad = {(i, key): problem for (i, _, key), problem in problems if problem is not None}
        pairs = Pairs([], [])
        for position, own in enumerate(images):
            kept = [(picture, key) for picture, key in own if (position, key) not in bad]
            if kept:
                pairs.texts.append(texts[position][0])
                pairs.images.append(as_cell([picture for picture, _ in kept]))
                pairs.text_keys.append(texts[position][1])
                pairs.image_keys.append(b"".join(key for _, key in kept))
            else:
                self._drop(sources[position], *bad[position, own[0][1]])
        return pairs

    def _drop(self, source: tuple[str, str], reason: str, detail: str) -> None:
        self.dropped.append(Dropped(source[0], "", source[1], reason, detail))


def _readable(image: Any) -> list[tuple[Any, bytes]]:
    """Return the images of a cell that can be read, with their content keys.

    Raises:
        ImageError: If none can be read.
    """
    found = []
    problem: ImageError | None = None
    for picture in pictures_of(image)[:MAX_IMAGES]:
        try:
            found.append((picture, image_key(picture)))
        except ImageError as error:
            problem = problem or error
    if problem is not None and not found:
        raise problem
    return found


def content_keys(
    places: Sequence[str | Path], given: Mapping[str, str | None] | None = None, access: Access = CLOSED
) -> set[bytes]:
    """Return the content keys of all texts and images in tables. Images that cannot be read are skipped.

    Args:
        places: As for :class:`PairTables`.
        given: As for :class:`PairTables`.
        access: What rows may open.

    Raises:
        DataError: If a table cannot be read.
    """
    keys = set()
    for table, columns in _tables(places, given or {}, Columns(), ()):
        gate = PictureGate(table.folder, access, table_folders(table.folder))
        for row in table:
            cells = read_cells(row, columns, gate)
            if cells.text is not None:
                keys.add(text_key(cells.text))
            for picture in pictures_of(cells.image):
                with suppress(ImageError):
                    keys.add(image_key(picture))
    return keys


def _tables(
    places: Sequence[str | Path], given: Mapping[str, str | None], columns: Columns, required: Sequence[str]
) -> Iterator[tuple[Table, Columns]]:
    for place in places:
        for file in [place] if is_address(str(place)) else list_files(place):
            table = open_rows(file, TableOptions(likely_separator=columns.separator))
            # If no row of a table is readable, its columns are unknown.
            known = table.columns or table.declares_columns
            found = find_columns(
                table.columns,
                table.path,
                given=given,
                run=columns,
                declared=table.declares_columns,
                required=required if known else (),
            )
            yield table, found
