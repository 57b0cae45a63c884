"""A job of known duration: every row sleeps, so that machines share nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from clfa.jobs.wanted import WantedColumns
from clfa.jobs.worker import Job, Outcome, ResultShape, Worker
from clfa.tables.cells import Cells


@dataclass(frozen=True)
class SleepJob(Job):
    """Sleeps as many milliseconds as a row's id says."""

    kind: ClassVar[str] = "sleep"

    def open(self) -> Worker:
        """Return the worker."""
        return SleepWorker()


class SleepWorker(Worker):
    """Worker of :class:`SleepJob`."""

    def __init__(self) -> None:
        self.identity, self.columns, self.window_size = {}, WantedColumns(), 8
        self.shape = ResultShape(pa.schema([pa.field("slept", pa.int64())]))

    def __call__(self, rows: Sequence[Cells]) -> list[Outcome]:
        """Sleep for each row."""
        slept = [int(row.id) for row in rows]
        time.sleep(sum(slept) / 1000)
        return [Outcome({"slept": each}) for each in slept]

    def close(self) -> None:
        """Nothing is left."""


def write_rows(path: Path, milliseconds: Sequence[int], shard_rows: int) -> Path:
    """Write a table whose rows sleep, with a row group for each shard.

    Args:
        path: Parquet file to write.
        milliseconds: Of each row.
        shard_rows: Rows of a shard.
    """
    pq.write_table(pa.table({"id": list(milliseconds)}), path, row_group_size=shard_rows)
    return path
