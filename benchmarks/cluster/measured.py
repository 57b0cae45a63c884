"""Measured shard times: those of a finished job, or those that a file keeps of one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cluster.simulate import Cluster, Floats, simulate
from clfa.errors import DataError
from clfa.jobs.outputs.folder import read_manifest


@dataclass(frozen=True)
class Measured:
    """Shards of a job, in order.

    Args:
        rows: Rows of each shard.
        seconds: Seconds that each took a worker.
        wall: Seconds of the whole run.
        workers: Number of its workers.
    """

    rows: Floats
    seconds: Floats
    wall: float
    workers: int = 1

    @property
    def start_up(self) -> float:
        """Seconds of the run that its shards do not explain: start of the cluster and of the workers, and the end."""
        return max(0.0, self.wall - simulate(self.seconds, 0.0 * self.seconds, Cluster(self.workers)).wall)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of a file."""
        shards = {"rows": self.rows.astype(int).tolist(), "seconds": self.seconds.tolist()}
        return {"wall": self.wall, "workers": self.workers, **shards}


def read_measured(place: Path, workers: int = 1) -> Measured:
    """Return the measured shards of a job.

    Args:
        place: Output folder of a finished job, or a JSON file of :meth:`Measured.to_dict`.
        workers: Number of workers of the job, which the file knows itself.

    Raises:
        DataError: If there are none.
    """
    if place.is_file():
        try:
            content = json.loads(place.read_text(encoding="utf-8"))
            rows, seconds = (np.array(content[name], float) for name in ("rows", "seconds"))
            return _checked(place, Measured(rows, seconds, float(content["wall"]), int(content["workers"])))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{place} has no shard times ({error!r}).") from error
    manifest = read_manifest(place)
    parts = manifest["parts"]
    unknown = sum(part.get("seconds") is None for part in parts)
    if unknown or "seconds" not in manifest:
        raise DataError(
            f"{place}: the seconds of {unknown} of {len(parts)} shards are not known: an earlier run, or an earlier "
            "version, did them. Run the job in one go into another folder."
        )
    rows, seconds = (np.array([part[name] for part in parts], float) for name in ("rows", "seconds"))
    return _checked(place, Measured(rows, seconds, float(manifest["seconds"]), workers))


def _checked(place: Path, measured: Measured) -> Measured:
    usable = (
        len(measured.rows) == len(measured.seconds) > 0 and measured.workers > 0 and bool((measured.rows > 0).all())
    )
    if not usable or not np.isfinite(measured.seconds).all() or not (measured.seconds >= 0).all():
        raise DataError(f"{place} has no shard times: rows and seconds of at least one shard, no negative ones.")
    return measured
