"""Collection of a corpus from the files of a published data set, split by split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from clfa.data.columns import ColumnMap, to_corpus
from clfa.data.read_part import read_part
from clfa.data.schema import Corpus, Dropped
from clfa.data.splits import RATIOS
from clfa.data.table_part import TablePart
from clfa.errors import DataError
from clfa.nearest import did_you_mean
from clfa.tables.collect import from_columns
from clfa.tables.row import TableOptions
from clfa.targets.cells import UnusableCell
from clfa.targets.fields import LABEL
from clfa.targets.spec import TargetSpec, parse_specs

Fields = dict[str, Any]


class CorpusBuilder:
    """The files of a published data set that were read so far.

    Every row of a file is either kept or listed as dropped.

    Args:
        name: Name of the corpus.
        targets: Targets by name, each in the column of its name; by default the default label.
        label_names: Classes of the default label in index order.
    """

    def __init__(
        self,
        name: str,
        *,
        targets: Mapping[str, TargetSpec] | None = None,
        label_names: list[str] | None = None,
    ) -> None:
        self._name = name
        self._targets = targets or parse_specs({LABEL: {"label_names": label_names}})
        self._parts: list[TablePart] = []
        self._dropped: list[Dropped] = []
        self._lines: dict[str, int] = {}

    def add_table(
        self,
        split: str | None,
        path: Path,
        columns: Iterable[str],
        convert: Callable[[Mapping[str, Any]], Fields],
        options: TableOptions | None = None,
    ) -> None:
        """Add the rows of a table file.

        Args:
            split: Split of the rows; ``None`` if it is drawn.
            path: A file in one of the formats of :data:`clfa.tables.formats.TABLE_FORMATS`.
            columns: Columns that the file must have.
            convert: See :meth:`add_records`; gets the cells by column.
            options: Options for reading the file.

        Raises:
            DataError: If the file is damaged, or a column is absent.
        """
        bad: list[Dropped] = []
        part = read_part(str(path), split, options or TableOptions(), bad)
        absent = [column for column in columns if column not in part.data.column_names]
        if absent:
            found = part.data.column_names
            raise DataError(
                f"{path}: no column {absent[0]!r}, which {self._name} has; columns there: {', '.join(found)}."
                f"{did_you_mean(absent[0], found)}"
            )
        self._dropped += bad
        self._count(split, len(bad))
        self.add_records(split, path, zip(part.numbers or (), part.data, strict=True), convert)

    def add_records(
        self,
        split: str | None,
        path: Path,
        records: Iterable[tuple[int, Any]],
        convert: Callable[[Any], Fields],
    ) -> None:
        """Add numbered records.

        Args:
            split: Split of the records; ``None`` if it is drawn.
            path: Their file.
            records: Number of each record in its file, and the record.
            convert: Function from a record to ``id``, ``text``, ``image`` and the targets. A record for which it
                raises ``UnusableCell`` is dropped with this reason.
        """
        columns: dict[str, list[Any]] = {name: [] for name in ("id", "text", "image", *self._columns)}
        numbers: list[int] = []
        for number, record in records:
            self._count(split, 1)
            try:
                fields = convert(record)
            except UnusableCell as problem:
                source = f"{path.name}:row {number}"
                self._dropped.append(Dropped("", split or "", source, problem.reason, problem.detail))
                continue
            for name, cells in columns.items():
                cells.append(fields[name])
            numbers.append(number)
        self._parts.append(TablePart(split, path.name, from_columns(columns), numbers=numbers, gated=True))

    def build(
        self,
        *,
        ratios: tuple[float, float, float] = RATIOS,
        split_seed: int = 0,
        complete: bool = False,
    ) -> Corpus:
        """Return the corpus.

        Args:
            ratios: Shares of train, validation and test for drawn splits.
            split_seed: Seed of the draw.
            complete: Whether to draw validation from train if the files are those of train and test only. Rows without
                a split are always drawn.

        Raises:
            DataError: If the files have no usable row.
        """
        if not any(len(part.data) for part in self._parts):
            reason = f"; the first reason: {self._dropped[0].detail}" if self._dropped else ""
            raise DataError(f"{self._name}: no usable row in {', '.join(p.source for p in self._parts)}{reason}")
        corpus = to_corpus(
            self._name,
            self._parts,
            ColumnMap({"id": "id", "text": "text", "image": "image"}, literal=True),
            ratios=ratios,
            split_seed=split_seed,
            complete=complete,
            targets=self._targets,
        )
        corpus.dropped[:0] = self._dropped
        # These columns exist in memory only.
        del corpus.facts["columns"]
        corpus.facts |= {"lines": self._lines}
        if corpus.facts["split"] == "as given":
            corpus.facts["split"] = "published files"
        return corpus

    @property
    def _columns(self) -> list[str]:
        return [
            c for name, spec in self._targets.items() for c in (spec.columns or {name: spec.column or name}).values()
        ]

    def _count(self, split: str | None, rows: int) -> None:
        key = split or "all"
        self._lines[key] = self._lines.get(key, 0) + rows
