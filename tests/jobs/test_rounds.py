"""The driver's bookkeeping, and a worker's reports, without Ray."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from clfa.errors import DataError, ModelError
from clfa.jobs import cluster as module
from clfa.jobs.cluster import MAX_ATTEMPTS, PieceWorker, RayCluster, WorkerReport, connected, fitting, wait_for_room
from clfa.jobs.cluster import in_rounds as run_in_rounds
from clfa.jobs.cluster_options import ClusterOptions
from clfa.jobs.parts import LineForm, Parts
from clfa.jobs.pieces import Piece
from clfa.jobs.summary import Summary
from clfa.jobs.trouble import ClusterError

PIECES = [Piece(number, f"/in/{number}.csv", f"{number}.csv", False) for number in range(5)]


def done(number: int, rows: int = 1) -> WorkerReport:
    return WorkerReport(number, "done", json.dumps({**Summary(rows).to_dict(), "seconds": 0.0}))


def in_rounds(answer: Callable[[int, int], WorkerReport | None]) -> tuple[dict[int, Any], int, list[list[int]]]:
    """Results by shard, losses, and each round's shards; ``answer(shard, round)`` is ``None`` where one is lost."""
    results: dict[int, Any] = {}
    rounds: list[list[int]] = []

    def attempt(missing: Sequence[Piece]) -> Iterator[WorkerReport]:
        rounds.append([piece.number for piece in missing])
        answers = (answer(piece.number, len(rounds)) for piece in reversed(missing))
        return (report for report in answers if report is not None)

    def finish(piece: Piece, result: Any) -> None:
        assert piece.number not in results
        results[piece.number] = result

    return results, run_in_rounds(PIECES, attempt, finish), rounds


def test_every_shard_is_finished_once() -> None:
    results, lost, rounds = in_rounds(lambda shard, turn: done(shard, shard))
    assert results == {number: Summary(number) for number in range(5)}
    assert (lost, rounds) == (0, [[0, 1, 2, 3, 4]])


def test_a_lost_shard_is_done_in_the_next_round() -> None:
    results, lost, rounds = in_rounds(lambda shard, turn: None if shard in (1, 4) and turn == 1 else done(shard, turn))
    assert results == {0: Summary(1), 1: Summary(2), 2: Summary(1), 3: Summary(1), 4: Summary(2)}
    assert (lost, rounds) == (2, [[0, 1, 2, 3, 4], [1, 4]])


def test_a_shard_that_kills_its_workers_is_given_up() -> None:
    results, lost, rounds = in_rounds(lambda shard, turn: None if shard == 2 else done(shard))
    assert results.pop(2) == f"/in/2.csv: given up after {MAX_ATTEMPTS} attempts; the last: its worker was lost"
    assert results == {number: Summary(1) for number in (0, 1, 3, 4)}
    assert (lost, rounds[1:]) == (MAX_ATTEMPTS, [[2]] * (MAX_ATTEMPTS - 1))


def test_bad_data_is_not_tried_again_and_other_errors_are() -> None:
    def answer(shard: int, turn: int) -> WorkerReport | None:
        if shard == 1:
            return WorkerReport(shard, "failed", "1.csv is damaged")
        if shard == 4 or (shard == 3 and turn < MAX_ATTEMPTS):
            return WorkerReport(shard, "troubled", "OSError: storage is away")
        return done(shard)

    results, lost, rounds = in_rounds(answer)
    assert results[1] == "1.csv is damaged"
    assert results[3] == Summary(1)
    assert results[4] == f"/in/4.csv: given up after {MAX_ATTEMPTS} attempts; the last: OSError: storage is away"
    assert (lost, len(rounds), rounds[-1]) == (0, MAX_ATTEMPTS, [3, 4])


def test_workers_that_cannot_load_the_model() -> None:
    with pytest.raises(ClusterError, match=r"^a worker cannot load the model: no such model$"):
        in_rounds(lambda shard, turn: WorkerReport(shard, "helpless", "no such model"))


class PaperJob:
    """Opens workers that say what ``process`` says."""

    def __init__(self, error: Exception | None = None, identity: Any = None) -> None:
        self.error, self.identity = error, identity or {"model": 1}

    def open(self) -> Any:
        if self.error is not None:
            raise self.error
        return SimpleNamespace(identity=self.identity, busy=nullcontext)


def reports(monkeypatch: pytest.MonkeyPatch, job: PaperJob, *outcomes: Any) -> list[WorkerReport]:
    """Of one worker, for shards 0, 1, ..., with what doing each comes to."""
    cloudpickle = pytest.importorskip("ray").cloudpickle

    def process(worker: Any, piece: Piece, record: Any, **options: Any) -> Summary:
        outcome = outcomes[piece.number]
        if isinstance(outcome, Exception):
            raise outcome
        return Summary(outcome)

    monkeypatch.setattr(module, "process_piece", process)
    record = Parts(Path("/out"), Path("/out"), LineForm())
    worker = PieceWorker(cloudpickle.dumps(job), {"model": 1}, record, None, False, {}, "/nowhere")
    answers = []
    for piece in PIECES[: max(len(outcomes), 1)]:
        # As Ray Data hands a row over: columns, of NumPy's types.
        batch = {"piece": np.array([piece.to_json()])}
        answers.append(WorkerReport(**{name: column[0] for name, column in worker(batch).items()}))
    return answers


def test_a_workers_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    found = reports(monkeypatch, PaperJob(), 3, DataError("1.csv is damaged"), OSError("away"), 4)
    assert found == [
        done(0, 3),
        WorkerReport(1, "failed", "1.csv is damaged"),
        WorkerReport(2, "troubled", "OSError: away"),
        done(3, 4),
    ]


def test_a_worker_that_cannot_open(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reports(monkeypatch, PaperJob(ValueError("no such model"))) == [WorkerReport(0, "helpless", "no such model")]
    (other,) = reports(monkeypatch, PaperJob(identity={"model": 2}))
    assert other.state == "helpless"
    assert other.content == (
        "a worker's machine has another model, or other packages, than the driver's: {'model': 2} instead of "
        "{'model': 1}."
    )


def test_room_for_workers() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 5.0, "GPU": 2.0}},
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    ray = SimpleNamespace(nodes=lambda: nodes)
    assert [fitting(ray, *need) for need in ((1, 0), (2, 0), (1, 1), (1, 0.5), (9, 0))] == [9, 4, 2, 4, 0]


def test_room_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = iter([0, 0, 3])
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    assert wait_for_room(lambda: next(rooms)) == 3
    monkeypatch.setattr(module, "PATIENCE_S", -1.0)
    with pytest.raises(ClusterError, match=r"no worker could be started for -1 s: the cluster has no node with room"):
        wait_for_room(lambda: 0)


def test_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**options: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance.")

    ray = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setattr(module, "require_ray", lambda: ray)
    with (
        pytest.raises(
            ClusterError,
            match=r"no Ray cluster at 'auto': Could not find .* `ray start --head`, .* leave out address",
        ),
        connected("auto"),
    ):
        pass


def test_a_connection_that_is_there_is_used_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = SimpleNamespace(is_initialized=lambda: True)
    monkeypatch.setattr(module, "require_ray", lambda: ray)
    with connected("auto") as found:
        assert found is ray


def test_options_of_a_cluster() -> None:
    assert RayCluster.of(ClusterOptions()) == RayCluster("local", None, 1.0, None)
    assert RayCluster.of(ClusterOptions("auto", 3, 2.0, 0.5)) == RayCluster("auto", 3, 2.0, 0.5)
    with pytest.raises(ModelError, match=r"^workers is not for engine 'torch', which works in this process\.$"):
        ClusterOptions(workers=3).refuse("torch")
