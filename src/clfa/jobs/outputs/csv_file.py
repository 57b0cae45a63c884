"""CSV: the flat columns of results; a list of classes is JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator

from clfa.files import atomic_write
from clfa.jobs.outputs.base import FileOutput


class CsvOutput(FileOutput):
    """A ``.csv`` file in UTF-8 with a header."""

    def write(self, lines: Iterator[str]) -> None:
        """See :class:`FileOutput`."""
        with atomic_write(self.path, newline="") as file:
            writer = csv.DictWriter(file, self.schema.names, extrasaction="ignore")
            writer.writeheader()
            for row in self.flat(lines):
                writer.writerow(
                    {k: json.dumps(v, ensure_ascii=False) if isinstance(v, list) else v for k, v in row.items()}
                )
