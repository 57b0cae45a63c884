"""A folder of Parquet shards that is written by many and holds every row exactly once."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clfa.errors import DataError
from clfa.files import write_json
from clfa.tables.shards import Shard

PLAN = "_plan.json"
MANIFEST = "_manifest.json"
_SUMMARY = b"clfa.shard"
_TEMPORARY = re.compile(r"\.part-\d+\.parquet\.[0-9a-f]{32}\.tmp")
# Failed rows that a shard's summary quotes.
MAX_EXAMPLES = 10


@dataclass
class Summary:
    """Counts over a shard or over all of them.

    Args:
        rows: Rows.
        labels: Results by class, where results have classes.
        failures: Rows without a result by reason.
        examples: The first failures, as ``FILE row N (id ID): reason``.
    """

    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, other: Summary) -> None:
        """Count ``other`` in."""
        self.rows += other.rows
        self.labels.update(other.labels)
        self.failures.update(other.failures)
        self.examples = [*self.examples, *other.examples][:MAX_EXAMPLES]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        # Not dataclasses.asdict, which makes counters of counters' items.
        counts = {"labels": dict(self.labels), "failures": dict(self.failures)}
        return {"rows": self.rows, **counts, "examples": self.examples}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Summary:
        """From what :meth:`to_dict` gave."""
        counts = {name: Counter(content[name]) for name in ("labels", "failures")}
        return cls(content["rows"], **counts, examples=list(content["examples"]))


class OutputFolder:
    """``part-NNNNNN.parquet`` per shard, ``_plan.json`` (what is done, written first) and ``_manifest.json`` (rows of
    every part, written last: without it the work is not finished).

    A part is written under a name of its own and renamed when it is whole, so that whatever has the final name is
    whole. Who does a shard a second time, after a lost machine or beside a slow one, finds the part there or puts an
    equal one in its place; either way there is one part per shard, and each row is in one shard. Parquet readers skip
    names that begin with ``.`` or ``_``.

    Args:
        path: The folder, on storage that all machines see under this name and whose renames are atomic.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()

    def part(self, shard: Shard) -> Path:
        """File of a shard's results."""
        return self.path / f"part-{shard.number:06d}.parquet"

    def begin(self, plan: Mapping[str, Any]) -> None:
        """Make the folder, or check that it holds the same work unfinished.

        Args:
            plan: Everything that the results depend on, as JSON values.

        Raises:
            DataError: When it holds something else, with what differs.
        """
        plan = json.loads(json.dumps(plan))
        place = self.path / PLAN
        if place.is_file():
            before = json.loads(place.read_text(encoding="utf-8"))
            differing = sorted(key for key in {*plan, *before} if plan.get(key) != before.get(key))
            if differing:
                raise DataError(
                    f"{self.path} holds results of other work: {', '.join(map(_said, differing))} differ(s). "
                    "Give another --output."
                )
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise DataError(f"{self.path} is not empty and holds no results of this kind; give another --output.")
        write_json(place, plan)

    def finished(self, shards: Sequence[Shard]) -> dict[int, Summary]:
        """Summaries of the shards that are done, by number.

        Raises:
            DataError: When a part is damaged or is none of ours.
        """
        present = set(os.listdir(self.path)) if self.path.is_dir() else set()
        done = {}
        for shard in shards:
            if self.part(shard).name in present:
                done[shard.number] = self._read_summary(shard)
        return done

    def summary(self, shard: Shard) -> Summary | None:
        """Summary of a shard that is done, else ``None``."""
        return self._read_summary(shard) if self.part(shard).is_file() else None

    def _read_summary(self, shard: Shard) -> Summary:
        part = self.part(shard)
        try:
            metadata = pq.read_metadata(part)
            summary = Summary.from_dict(json.loads((metadata.metadata or {})[_SUMMARY]))
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise DataError(f"{part} is damaged or of another origin; delete it and run again. ({error})") from error
        if metadata.num_rows != shard.rows or summary.rows != shard.rows:
            raise DataError(f"{part} has {metadata.num_rows} rows instead of {shard.rows}; delete it and run again.")
        return summary

    @contextmanager
    def writing(self, shard: Shard, schema: pa.Schema, summary: Summary) -> Iterator[Callable[[pa.Table], None]]:
        """Write a shard's part; it appears when the block ends without an error.

        Args:
            shard: Which.
            schema: Of every table written.
            summary: Kept in the part, as it is when the block ends.

        Yields:
            A function that takes the next rows.

        Raises:
            DataError: When the rows written are not as many as the shard has.
        """
        final = self.part(shard)
        temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex}.tmp")
        try:
            with open(temporary, "wb") as file:
                with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                    yield writer.write_table
                    if summary.rows != shard.rows:
                        raise DataError(
                            f"{shard.path}: {summary.rows} rows where {shard.rows} were counted; it changed meanwhile. "
                            "Give another --output and start again."
                        )
                    writer.add_key_value_metadata({_SUMMARY.decode(): json.dumps(summary.to_dict())})
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, final)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def complete(self, shards: Sequence[Shard], summaries: Mapping[int, Summary], facts: Mapping[str, Any]) -> Summary:
        """Write the manifest, the last thing of all.

        Args:
            shards: All of them.
            summaries: Of every shard, by number.
            facts: What else to say, as JSON values.

        Returns:
            The counts over all shards.
        """
        # What killed workers left.
        for name in os.listdir(self.path):
            if _TEMPORARY.fullmatch(name):
                (self.path / name).unlink(missing_ok=True)
        total, parts = Summary(), []
        for shard in shards:
            summary = summaries[shard.number]
            total.add(summary)
            parts.append(
                {
                    "file": self.part(shard).name,
                    "source": shard.source,
                    "first_row": shard.first + 1,
                    "rows": summary.rows,
                    "failed": sum(summary.failures.values()),
                }
            )
        write_json(self.path / MANIFEST, {**facts, **total.to_dict(), "parts": parts})
        return total

    def manifest(self) -> dict[str, Any]:
        """Content of the manifest.

        Raises:
            DataError: When the work is not finished, or this is no such folder.
        """
        place = self.path / MANIFEST
        if not place.is_file():
            state = "is unfinished; run the same command again" if (self.path / PLAN).is_file() else "has no results"
            raise DataError(f"{self.path} {state}: it has no {MANIFEST}.")
        content: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        return content


def _said(key: str) -> str:
    return {"files": "the input files", "rows_per_shard": "--shard-rows"}.get(key, key)
