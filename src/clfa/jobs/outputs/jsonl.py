"""JSON lines: ``id``, the result, and ``error`` for a row that failed."""

from __future__ import annotations

import os
from collections.abc import Iterator

from clfa.files import atomic_write
from clfa.jobs.journal import Journal
from clfa.jobs.outputs.base import FileOutput


class JsonlOutput(FileOutput):
    """A ``.jsonl`` file."""

    def write_journal(self, journal: Journal) -> None:
        """Give the journal's lines their final name."""
        # After a kill at this point they have it already.
        if journal.lines.exists():
            os.replace(journal.lines, self.path)

    def write(self, lines: Iterator[str]) -> None:
        """See :class:`FileOutput`."""
        with atomic_write(self.path) as file:
            file.writelines(lines)
