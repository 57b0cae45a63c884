"""Ray Data's ``map_batches`` as it comes, and clfa's shards on it, at one job on two nodes, when something goes wrong.

The work is sleep, so that nothing but the scheduling is compared. Each trial runs in a process of its own and is killed
when it takes too long::

    python benchmarks/ray_data.py
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from clfa.jobs.cluster import RayCluster
from clfa.jobs.run import run_job
from clfa.jobs.wanted import WantedColumns
from clfa.jobs.worker import Job, Outcome, ResultShape, Worker
from clfa.tables.cells import Cells

ENGINES = ("ray data", "clfa")
EVENTS = ("nothing", "a node is killed", "a row kills its worker")
FILES, ROWS, BATCH = 16, 8, 4
SECONDS = 0.5
POISON = 37


def work(ids: Sequence[int], notes: str, poison: bool) -> None:
    """What both do with a batch."""
    Path(notes, f"{ids[0]}-{time.monotonic_ns()}").touch()
    time.sleep(SECONDS)
    if poison and POISON in ids:
        os._exit(1)


@dataclass(frozen=True)
class SleepJob(Job):
    """For clfa."""

    notes: str
    poison: bool
    kind: ClassVar[str] = "sleep"

    def open(self) -> Worker:
        return SleepWorker(self)


class SleepWorker(Worker):
    """Sleeps."""

    def __init__(self, job: SleepJob) -> None:
        self.job = job
        self.identity = {"poison": job.poison}
        self.shape = ResultShape(pa.schema([pa.field("done", pa.int64())]))
        self.columns, self.window_size = WantedColumns(), BATCH

    def __call__(self, rows: Sequence[Cells]) -> list[Outcome]:
        ids = [int(row.id) for row in rows]
        work(ids, self.job.notes, self.job.poison)
        return [Outcome({"done": number}) for number in ids]

    def close(self) -> None:
        """Nothing is left."""


class Sleeper:
    """For Ray Data."""

    def __init__(self, notes: str, poison: bool) -> None:
        self.notes, self.poison = notes, poison

    def __call__(self, batch: pa.Table) -> pa.Table:
        work(batch["id"].to_pylist(), self.notes, self.poison)
        return batch.append_column("done", batch["id"])


def trial(engine: str, event: str, folder: Path) -> dict[str, Any]:
    """Do the job once on a fresh cluster; rows missing and rows written more than once in the result."""
    import ray
    from ray import cloudpickle
    from ray.cluster_utils import Cluster as LocalCluster

    source, output, notes = folder / "in", folder / "out", folder / "notes"
    source.mkdir()
    notes.mkdir()
    for number in range(FILES):
        ids = range(number * ROWS, (number + 1) * ROWS)
        pq.write_table(pa.table({"id": list(ids)}), source / f"{number:02}.parquet")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    memory = {"num_cpus": 1, "object_store_memory": 100_000_000}
    health = {"health_check_period_ms": 1000, "health_check_failure_threshold": 5}
    cluster = LocalCluster(
        initialize_head=True, head_node_args={**memory, "include_dashboard": False, "_system_config": health}
    )
    node = cluster.add_node(**memory)

    def kill() -> None:
        while len(list(notes.iterdir())) < 4:
            time.sleep(0.1)
        cluster.remove_node(node, allow_graceful=False)

    if event == "a node is killed":
        threading.Thread(target=kill, daemon=True).start()
    poison = event == "a row kills its worker"
    start, problem = time.monotonic(), ""
    try:
        if engine == "clfa":
            executor = RayCluster(cluster.address)
            run_job(SleepJob(str(notes), poison), source, output, executor=executor, shard_rows=ROWS)
        else:
            ray.init(address=cluster.address, log_to_driver=False)
            pool = ray.data.ActorPoolStrategy(min_size=1, max_size=2)
            data = ray.data.read_parquet(str(source))
            data = data.map_batches(
                Sleeper,
                fn_constructor_args=(str(notes), poison),
                batch_size=BATCH,
                batch_format="pyarrow",
                compute=pool,
                num_cpus=0.5,
            )
            data.write_parquet(str(output))
    except Exception as error:
        problem = str(error).strip().splitlines()[0][:200]
    return {"seconds": time.monotonic() - start, "problem": problem}


def written(output: Path) -> list[int]:
    """Ids in the result, as often as they are there."""
    parts = [path for path in output.rglob("*.parquet") if not path.name.startswith((".", "_"))]
    return [int(number) for path in parts for number in pq.read_table(path, columns=["id"])["id"].to_pylist()]


def attempt(engine: str, event: str, limit: float) -> str:
    """A trial in its own process, in words."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, __file__, "--trial", engine, event, name]
        options: dict[str, Any] = {"env": {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}, "start_new_session": True}
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options)
        try:
            said, _ = child.communicate(timeout=limit)
            result = json.loads(said.strip().splitlines()[-1])
            how = f"{result['seconds']:.0f} s" + (f", error: {result['problem']}" if result["problem"] else "")
        except subprocess.TimeoutExpired:
            how = f"not finished after {limit:.0f} s"
        except (ValueError, IndexError):
            how = f"ended with exit code {child.returncode}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            ray = Path(sys.executable).with_name("ray")
            subprocess.run([ray, "stop", "--force"], capture_output=True, check=False)
        ids = written(folder / "out") if (folder / "out").is_dir() else []
        batches = len(list((folder / "notes").iterdir()))
        missing = FILES * ROWS - len(set(ids))
        return f"{how}; {missing} rows missing, {len(ids) - len(set(ids))} twice; {batches} batches begun"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=120, help="seconds after which a trial is given up")
    parser.add_argument("--trial", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.trial:
        engine, event, folder = options.trial
        print(json.dumps(trial(engine, event, Path(folder))), flush=True)
        os._exit(0)
    print(f"{FILES * ROWS} rows, {FILES * ROWS // BATCH} batches of {SECONDS} s, two nodes.\n", flush=True)
    print("| engine | what happens | outcome |\n| --- | --- | --- |", flush=True)
    for event in EVENTS:
        for engine in ENGINES:
            print(f"| {engine} | {event} | {attempt(engine, event, options.limit)} |", flush=True)


if __name__ == "__main__":
    main()
