"""The driver's bookkeeping, and a worker's reports, without Ray."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from clfa.errors import DataError
from clfa.jobs import cluster as module
from clfa.jobs.cluster import MAX_ATTEMPTS, ClusterError, Report, ShardWorker, _fitting, _wait_for_room, connected
from clfa.jobs.cluster import in_rounds as run_in_rounds
from clfa.jobs.output import OutputFolder, Summary
from clfa.tables.shards import Shard

SHARDS = [Shard(number, f"/in/{number}.csv", f"{number}.csv", 0, 1, 0, 9) for number in range(5)]


def done(number: int, rows: int = 1) -> Report:
    return Report(number, "done", json.dumps(Summary(rows).to_dict()))


def in_rounds(answer: Callable[[int, int], Report | None]) -> tuple[dict[int, Any], int, list[list[int]]]:
    """Results by shard, losses, and each round's shards; ``answer(shard, round)`` is ``None`` where one is lost."""
    results: dict[int, Any] = {}
    rounds: list[list[int]] = []

    def attempt(missing: Sequence[Shard]) -> Iterator[Report]:
        rounds.append([shard.number for shard in missing])
        answers = (answer(shard.number, len(rounds)) for shard in reversed(missing))
        return (report for report in answers if report is not None)

    def finish(shard: Shard, result: Any) -> None:
        assert shard.number not in results
        results[shard.number] = result

    return results, run_in_rounds(SHARDS, attempt, finish), rounds


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
    def answer(shard: int, turn: int) -> Report | None:
        if shard == 1:
            return Report(shard, "failed", "1.csv is damaged")
        if shard == 4 or (shard == 3 and turn < MAX_ATTEMPTS):
            return Report(shard, "troubled", "OSError: storage is away")
        return done(shard)

    results, lost, rounds = in_rounds(answer)
    assert results[1] == "1.csv is damaged"
    assert results[3] == Summary(1)
    assert results[4] == f"/in/4.csv: given up after {MAX_ATTEMPTS} attempts; the last: OSError: storage is away"
    assert (lost, len(rounds), rounds[-1]) == (0, MAX_ATTEMPTS, [3, 4])


def test_workers_that_cannot_load_the_model() -> None:
    with pytest.raises(ClusterError, match=r"^a worker cannot load the model: no such model$"):
        in_rounds(lambda shard, turn: Report(shard, "helpless", "no such model"))


class PaperJob:
    """Opens workers that say what ``process`` says."""

    def __init__(self, error: Exception | None = None, identity: Any = None) -> None:
        self.error, self.identity = error, identity or {"model": 1}

    def open(self) -> Any:
        if self.error is not None:
            raise self.error
        return SimpleNamespace(identity=self.identity)


def reports(monkeypatch: pytest.MonkeyPatch, job: PaperJob, *outcomes: Any) -> list[Report]:
    """Of one worker, for shards 0, 1, ..., with what doing each comes to."""
    cloudpickle = pytest.importorskip("ray").cloudpickle

    def process(worker: Any, shard: Shard, folder: Any, strict: bool) -> Summary:
        outcome = outcomes[shard.number]
        if isinstance(outcome, Exception):
            raise outcome
        return Summary(outcome)

    monkeypatch.setattr(module, "process_shard", process)
    worker = ShardWorker(cloudpickle.dumps(job), {"model": 1}, OutputFolder("/out"), False, {}, "/nowhere")
    answers = []
    for shard in SHARDS[: max(len(outcomes), 1)]:
        # As Ray Data hands a row over: columns, of NumPy's types.
        batch = {name: np.array([value]) for name, value in asdict(shard).items()}
        answers.append(Report(**{name: column[0] for name, column in worker(batch).items()}))
    return answers


def test_a_workers_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    found = reports(monkeypatch, PaperJob(), 3, DataError("1.csv is damaged"), OSError("away"), 4)
    assert found == [
        done(0, 3),
        Report(1, "failed", "1.csv is damaged"),
        Report(2, "troubled", "OSError: away"),
        done(3, 4),
    ]


def test_a_worker_that_cannot_open(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reports(monkeypatch, PaperJob(ValueError("no such model"))) == [Report(0, "helpless", "no such model")]
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
    assert [_fitting(ray, *need) for need in ((1, 0), (2, 0), (1, 1), (1, 0.5), (9, 0))] == [9, 4, 2, 4, 0]


def test_room_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = iter([0, 0, 3])
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    assert _wait_for_room(lambda: next(rooms)) == 3
    monkeypatch.setattr(module, "PATIENCE_S", -1.0)
    with pytest.raises(ClusterError, match=r"no worker could be started for -1 s: the cluster has no node with room"):
        _wait_for_room(lambda: 0)


def test_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**options: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance.")

    ray = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setattr(module, "require_ray", lambda: ray)
    with (
        pytest.raises(ClusterError, match=r"no Ray cluster at 'auto': Could not find .* `ray start --head`"),
        connected("auto"),
    ):
        pass


def test_a_connection_that_is_there_is_used_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = SimpleNamespace(is_initialized=lambda: True)
    monkeypatch.setattr(module, "require_ray", lambda: ray)
    with connected("auto") as found:
        assert found is ray
