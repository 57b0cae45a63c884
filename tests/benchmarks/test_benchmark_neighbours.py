from __future__ import annotations

import pytest

from benchmarks import neighbours


def test_medians_by_busy_programs_and_turns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    busy: list[int] = []
    kept = neighbours.neighbours

    def counted(count: int) -> object:
        busy.append(count)
        return kept(0)

    speeds = iter([(9.0, 4.0), (5.0, 2.0), (7.0, 3.0), (2.0, 20.0)])
    monkeypatch.setattr(neighbours, "neighbours", counted)
    monkeypatch.setattr(neighbours, "steps_per_second", lambda *_: next(speeds))
    monkeypatch.setattr(neighbours.os, "sched_getaffinity", lambda _: {0, 1, 2})
    neighbours.main(["--threads", "2", "--repetitions", "1"])
    assert busy == [0, 3]
    assert capsys.readouterr().out.splitlines() == [
        "2 threads, 3 cores; steps per second (processor time of a step)",
        "0 busy programs, GOMP_SPINCOUNT not set: 9.0 (4 ms)",
        "0 busy programs, GOMP_SPINCOUNT 1000: 5.0 (2 ms)",
        "3 busy programs, GOMP_SPINCOUNT not set: 7.0 (3 ms)",
        "3 busy programs, GOMP_SPINCOUNT 1000: 2.0 (20 ms)",
    ]
