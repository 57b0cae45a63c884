from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from clfa.experiments import Experiment, plan_runs, read_results
from clfa.experiments.execute import run_path
from warm import Program

from . import forked_pool

pytestmark = pytest.mark.slow


def start(file: Path, output: Path, *options: str) -> Program:
    arguments = [str(file), "--output", str(output), *options]
    return Program(forked_pool.experiment, arguments, file.parent, {"COLUMNS": "200", "OMP_NUM_THREADS": "1"})


def finished(output: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in output.glob("runs/*/metrics.json")}


def test_killed_in_the_middle_and_started_again(tiny_experiment: Experiment, tmp_path: Path) -> None:
    experiment = tiny_experiment.model_copy(update={"seeds": [1, 2, 3]})
    file, output = tmp_path / "tiny.yaml", tmp_path / "out"
    experiment.save(file)
    first = start(file, output, "--jobs", "2")
    limit = time.monotonic() + 120
    while not finished(output) and time.monotonic() < limit:
        time.sleep(0.02)
    # Parent and workers at once, wherever they are.
    os.killpg(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    early = finished(output)
    runs = plan_runs(experiment)
    assert 1 <= len(early) < len(runs)

    again = start(file, output, "--jobs", "2")
    assert again.wait(200) == 0, again.stderr
    late = finished(output)
    assert set(late) == {run.slug for run in runs}
    # Nothing that was finished was done twice.
    assert {slug: late[slug] for slug in early} == early
    assert f"{len(runs) - len(early)} runs finished, {len(early)} were finished before, 0 failed" in again.stdout
    assert not list(output.glob("runs/*/model"))
    assert not list(output.glob("runs/*/checkpoints"))
    frame = read_results(output)
    assert frame["run"].tolist() == [run.slug for run in runs]
    assert frame["test.accuracy"].notna().all()


def test_two_experiments_share_the_work_and_list_failures(tiny_experiment: Experiment, tmp_path: Path) -> None:
    content: dict[str, Any] = json.loads(tiny_experiment.model_dump_json())
    content["rows"] = [{"name": "broken", "matrix": {}, "overrides": ["model.text_encoder=/nowhere"]}, *content["rows"]]
    experiment = Experiment.model_validate(content)
    file, output = tmp_path / "tiny.yaml", tmp_path / "out"
    experiment.save(file)
    processes = [start(file, output), start(file, output)]
    assert [process.wait(240) for process in processes] == [1, 1]
    runs = plan_runs(experiment)
    assert len(finished(output)) == 4
    shown = [process.stdout for process in processes]
    counts = [int(text.partition(" runs finished")[0].split()[-1]) for text in shown]
    assert sum(counts) == 4
    assert all("broken, seed 1: model directory '/nowhere' does not exist" in text for text in shown)
    frame = read_results(output)
    assert frame["status"].tolist() == ["failed", "finished", "finished"] * 2
    assert (run_path(output, runs[0]) / "error.txt").is_file()


def test_a_worker_that_is_killed_costs_its_run_alone(tiny_experiment: Experiment, tmp_path: Path) -> None:
    from clfa.experiments import pool
    from clfa.experiments.execute import RunOutcome
    from clfa.experiments.plan import PlannedRun

    runs = plan_runs(tiny_experiment)[:2]
    outcomes: list[tuple[str, RunOutcome]] = []
    killed = []

    def note(run: PlannedRun, outcome: RunOutcome) -> None:
        outcomes.append((run.slug, outcome))

    original = pool._start

    def start_and_kill(directory: Path, jobs: int) -> Any:
        worker = original(directory, jobs)
        if not killed:
            killed.append(worker.process.pid)
            # It has its run by then, and is still importing.
            threading.Timer(0.5, os.kill, (worker.process.pid, signal.SIGKILL)).start()
        return worker

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "_start", start_and_kill)
        pool.run_all(runs, tmp_path, 1, note)
    assert [slug for slug, _ in outcomes] == [run.slug for run in runs]
    assert outcomes[0][1].status == "failed"
    assert "exit code -9 (killed: out of memory?)" in outcomes[0][1].error
    assert outcomes[1][1].status == "finished"


class _Thread(threading.Thread):
    """Stands for a worker process; answers only when all workers have a run."""

    exitcode = 0

    def __init__(self, connection: Any, barrier: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self.connection, self.barrier = connection, barrier

    def run(self) -> None:
        from clfa.experiments.execute import RunOutcome

        while True:
            try:
                self.connection.recv()
            except EOFError:
                return
            self.barrier.wait(timeout=20)
            self.connection.send(RunOutcome("finished"))


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_as_many_at_a_time_as_asked_for(tiny_experiment: Experiment, tmp_path: Path, jobs: int) -> None:
    from multiprocessing import Pipe

    from clfa.experiments import pool

    runs = plan_runs(tiny_experiment.model_copy(update={"seeds": [1, 2, 3]}))
    assert len(runs) == 6
    barrier, started, done = threading.Barrier(jobs), [], []

    def start_thread(directory: Path, total: int) -> Any:
        ours, theirs = Pipe()
        thread = _Thread(theirs, barrier)
        thread.start()
        started.append(thread)
        return pool._Worker(thread, ours)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "_start", start_thread)
        pool.run_all(runs, tmp_path, jobs, lambda run, outcome: done.append((run.slug, outcome.status)))
    assert sorted(done) == sorted((run.slug, "finished") for run in runs)
    assert len(started) == jobs
