from __future__ import annotations

import pytest
from torch import distributed

from clfa.processes import join, leave, process_number


def test_a_process_knows_its_number_from_its_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert process_number() == 0
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert process_number() == 3
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert process_number() == 0


def test_a_process_nobody_launched_is_alone() -> None:
    state = join(use_cpu=True)
    assert (state.num_processes, state.is_main_process) == (1, True)
    with state.main_process_first():
        pass
    leave()
    assert not distributed.is_initialized()
