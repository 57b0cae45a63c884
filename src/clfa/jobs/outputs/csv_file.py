"""CSV: the flat columns of results, safe to open in a spreadsheet; a list of classes is JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

from clfa.files import atomic_write
from clfa.jobs.outputs.base import FileOutput
from clfa.sheets import SheetWriter


class CsvOutput(FileOutput):
    """A ``.csv`` file in UTF-8 with a header."""

    def write(self, lines: Iterator[str]) -> None:
        """See :class:`FileOutput`."""
        with atomic_write(self.path, newline="") as file:
            names = self.schema.names
            writer = SheetWriter(file, raw=self.raw, line_end="\r\n")
            writer.row(names)
            for row in self.flat(lines):
                cells = (row.get(name) for name in names)
                writer.row(json.dumps(cell, ensure_ascii=False) if isinstance(cell, list) else cell for cell in cells)
