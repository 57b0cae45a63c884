"""A folder of Parquet files, one for each shard, that is written by many and holds every row exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clfa.errors import Argument, DataError
from clfa.files import read_json, write_json
from clfa.jobs.identity import Identity
from clfa.jobs.outputs.base import Output
from clfa.jobs.parts import FlatForm, Parts
from clfa.jobs.pieces import Piece
from clfa.jobs.plan import LOCK, PLAN, foreign_names, read_plan, remove_temporary_parts
from clfa.jobs.record import Record
from clfa.jobs.trouble import storage
from clfa.jobs.worker import ResultShape

MANIFEST = "_manifest.json"


class FolderOutput(Output):
    """``part-NNNNNN.parquet`` for each shard, ``_plan.json`` (what is done, written first) and ``_manifest.json`` (rows
    and seconds of every part, written last: without it the work is not finished).
    """

    of_parts = True

    def check(self) -> None:
        """See :class:`Output`."""
        if self.path.exists() and not self.path.is_dir():
            raise DataError(f"{self.path} is a file; give another ", Argument("output"), ".")
        super().check()
        if self.path.is_dir() and not (self.path / PLAN).is_file():
            foreign = [name for name in foreign_names(self.path) if name != MANIFEST]
            if foreign:
                raise DataError(
                    f"{self.path} is not empty and holds no results of this kind ({foreign[0]}); give another ",
                    Argument("output"),
                    ".",
                )

    def refuse_finished(self, identity: Identity, restart: bool) -> None:
        """See :class:`Output`."""
        if not (self.path / MANIFEST).is_file():
            return
        plan = read_plan(self.path, self.path)
        before: Mapping[str, Any] = {} if plan is None else plan["identity"]
        differing = sorted(name for name in {*before, *identity} if before.get(name) != identity.get(name))
        if differing or restart:
            problem = f" of other work ({', '.join(differing)} differ)" if differing else ""
            raise DataError(
                f"{self.path} holds finished results{problem}, which are not replaced; give another ",
                Argument("output"),
                ", or delete the folder.",
            )

    def record(self, shape: ResultShape, in_order: bool) -> Record:
        """See :class:`Output`."""
        del in_order
        return Parts(self.path, self.path, FlatForm(shape))

    def finish(self, record: Record, pieces: Sequence[Piece], facts: Mapping[str, Any]) -> None:
        """See :class:`Output`."""
        assert isinstance(record, Parts)
        remove_temporary_parts(self.path)
        parts = []
        for piece in pieces:
            summary = record.summaries[piece.number]
            failed = sum(summary.failures.values())
            where = {"file": record.file(piece).name, "source": piece.source, "first_row": piece.first + 1}
            # Times of shards that an earlier run finished are not known: parts are the same whoever writes them.
            seconds = round(summary.seconds, 3) if summary.seconds else None
            parts.append({**where, "rows": summary.rows, "failed": failed, "seconds": seconds})
        with storage(self.path):
            write_json(self.path / MANIFEST, {**facts, **record.total.to_dict(), "parts": parts})
            (self.path / LOCK).unlink(missing_ok=True)
        record.close()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the content of a finished folder's manifest.

    Raises:
        DataError: When the work is not finished, the manifest is damaged, or this is no such folder.
    """
    place = folder / MANIFEST
    if not place.is_file():
        state = "is unfinished; run the same command again" if (folder / PLAN).is_file() else "has no results"
        raise DataError(f"{folder} {state}: it has no {MANIFEST}.")
    content: dict[str, Any] = read_json(place, dict, f"delete {folder} and run the same command again")
    return content
