"""One table of a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datasets import Dataset

from clfa.tables.memory import undecoded


@dataclass(frozen=True)
class TablePart:
    """One table, or one split of a table.

    Args:
        split: Name of the split; ``None`` if a column or a random draw decides.
        source: File or other source, for messages.
        data: Rows of the table; their pictures stay encoded (:func:`clfa.tables.memory.undecoded`).
        image_root: Base folder or address of relative image paths; rows may name the pictures there.
        numbers: Number of each row in its table; by default counted from 1.
        separator: Field separator, for CSV and TSV files.
        mixed: Cells of columns of mixed types, which ``data`` has as text.
        gated: Whether the reader has taken the pictures from :class:`clfa.data.picture_folder.PictureFolder`, which
            decides what rows may name.
    """

    split: str | None
    source: str
    data: Dataset
    image_root: str = ""
    numbers: Sequence[int] | None = None
    separator: str | None = None
    mixed: Mapping[str, list[Any]] = field(default_factory=dict)
    gated: bool = False

    def __post_init__(self) -> None:
        # Here, so that no reader can forget it.
        object.__setattr__(self, "data", undecoded(self.data))
