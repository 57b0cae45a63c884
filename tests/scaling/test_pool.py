"""The driver's bookkeeping, on a Ray made of paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clfa.errors import DataError
from clfa.scaling import cluster as module
from clfa.scaling.cluster import MAX_ATTEMPTS, ClusterError, _fitting, _Pool, connected
from clfa.scaling.output import OutputFolder, Summary
from clfa.scaling.shards import Shard


class RayError(Exception): ...


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class PaperRay:
    """Answers every call at once, oldest first; ``process(shard, worker)`` and ``open(worker)`` say with what."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, process: Callable[[int, int], Any], open: Callable[[int], Any] = lambda worker: None) -> None:
        self.process, self.open = process, open
        self.made = 0
        self.killed: list[int] = []
        self.never: list[Any] = []

    def make(self) -> Any:
        self.made += 1
        number = self.made
        answers = SimpleNamespace(
            number=number,
            open=SimpleNamespace(remote=lambda identity: (self, "open", number)),
            process=SimpleNamespace(remote=lambda shard, *rest: (self, "process", shard.number, number)),
        )
        return answers

    def wait(self, references: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        ready = [reference for reference in references if reference not in self.never]
        return ready[:1], ready[1:]

    def get(self, reference: Any) -> Any:
        _, what, *arguments = reference
        answer = self.open(*arguments) if what == "open" else self.process(*arguments)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def kill(self, worker: Any) -> None:
        assert worker.number not in self.killed
        self.killed.append(worker.number)


SHARDS = [Shard(number, f"/in/{number}.csv", f"{number}.csv", 0, 1, 0, 9) for number in range(5)]


def run(ray: PaperRay, size: int = 2) -> tuple[dict[int, Any], _Pool]:
    pool = _Pool(ray, ray.make, {}, size)
    results: dict[int, Any] = {}

    def finish(shard: Shard, result: Any) -> None:
        assert shard.number not in results
        results[shard.number] = result

    try:
        pool.run(SHARDS, OutputFolder(Path("/out")), finish, False)
    finally:
        pool.close()
    assert sorted(ray.killed) == list(range(1, ray.made + 1))
    return results, pool


def test_every_shard_is_finished_once() -> None:
    ray = PaperRay(lambda shard, worker: Summary(shard))
    results, pool = run(ray)
    assert results == {number: Summary(number) for number in range(5)}
    assert (ray.made, pool.lost) == (2, 0)


def test_no_more_workers_than_shards() -> None:
    ray = PaperRay(lambda shard, worker: Summary(shard))
    run(ray, size=50)
    assert ray.made == 5


def test_a_lost_workers_shard_goes_to_another() -> None:
    ray = PaperRay(lambda shard, worker: RayError("node died") if worker == 1 else Summary(worker))
    results, pool = run(ray)
    assert sorted(results) == list(range(5))
    assert all(isinstance(result, Summary) and result.rows > 1 for result in results.values())
    assert pool.lost == 1


def test_a_replacement_that_never_comes_is_not_waited_for() -> None:
    ray = PaperRay(lambda shard, worker: RayError("node died") if worker == 1 else Summary(worker))
    ray.never = [(ray, "open", number) for number in range(3, 20)]
    results, pool = run(ray)
    assert results == {number: Summary(2) for number in range(5)}
    assert pool.lost == 1


def test_a_shard_that_kills_its_workers_is_given_up() -> None:
    ray = PaperRay(lambda shard, worker: RayError("out of memory\nmore") if shard == 2 else Summary(1))
    results, pool = run(ray)
    assert results.pop(2) == (
        f"/in/2.csv: given up after {MAX_ATTEMPTS} attempts; the last: its worker was lost (out of memory)"
    )
    assert results == {number: Summary(1) for number in (0, 1, 3, 4)}
    assert pool.lost == MAX_ATTEMPTS


def test_bad_data_is_not_tried_again_and_other_errors_are() -> None:
    tries: list[int] = []

    def process(shard: int, worker: int) -> Any:
        tries.append(shard)
        if shard == 1:
            return RayTaskError(DataError("1.csv is damaged"))
        if shard == 3 and tries.count(3) < MAX_ATTEMPTS:
            return RayTaskError(OSError("storage is away"))
        return RayTaskError(OSError("storage is away")) if shard == 4 else Summary(1)

    results, pool = run(PaperRay(process))
    assert results[1] == "1.csv is damaged"
    assert results[3] == Summary(1)
    assert results[4] == f"/in/4.csv: given up after {MAX_ATTEMPTS} attempts; the last: OSError: storage is away"
    assert (tries.count(1), pool.lost) == (1, 0)


def test_workers_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = PaperRay(lambda shard, worker: Summary(1), lambda worker: RayTaskError(ValueError("no such model")))
    with pytest.raises(ClusterError, match=r"a worker cannot load the model: no such model"):
        run(broken)
    dying = PaperRay(lambda shard, worker: Summary(1), lambda worker: RayError("killed\nby"))
    with pytest.raises(ClusterError, match=r"workers die while they load the model; the last: killed$"):
        run(dying)
    assert dying.made == 2 * MAX_ATTEMPTS + 2
    monkeypatch.setattr(module, "PATIENCE_S", -1.0)
    absent = PaperRay(lambda shard, worker: Summary(1))
    absent.never = [(absent, "open", number) for number in range(1, 9)]
    with pytest.raises(ClusterError, match=r"no worker could be started for -1 s: the cluster has no node with room"):
        run(absent)


def test_room_for_workers() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 5.0, "GPU": 2.0}},
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    ray = SimpleNamespace(nodes=lambda: nodes)
    assert [_fitting(ray, *need) for need in ((1, 0), (2, 0), (1, 1), (1, 0.5), (9, 0))] == [9, 4, 2, 4, 0]


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
