from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState

from clfa.recipe import load_recipe
from clfa.training.time_limit import TimeLimit


def epochs_until_stopped(limit: TimeLimit, times: list[float], total: float, begun: float, first: float = 0) -> float:
    """Play a training whose epochs end at ``times``; return the last epoch."""
    args: Any = SimpleNamespace(num_train_epochs=total, world_size=1)
    state, control = TrainerState(epoch=first), TrainerControl()
    clock = iter([begun, *times])
    limit.clock = lambda: next(clock)
    limit.on_train_begin(args, state, control)
    for number, _ in enumerate(times, 1):
        state.epoch = min(first + number, total)
        limit.on_epoch_end(args, state, control)
        if control.should_training_stop:
            break
    return state.epoch


@pytest.mark.parametrize(
    ("seconds", "expected", "left"),
    [(1, 1, 4), (19.9, 1, 4), (20, 2, 3), (49, 4, 1), (50, 5, 0), (1000, 5, 0)],
)
def test_the_last_epoch_ends_in_time(
    seconds: float, expected: float, left: float, caplog: pytest.LogCaptureFixture
) -> None:
    limit = TimeLimit(seconds, started=100.0)
    with caplog.at_level(logging.WARNING):
        found = epochs_until_stopped(limit, [110, 120, 130, 140, 150], 5, begun=100.0)
    assert (found, limit.epochs_left_out) == (expected, left)
    said = f"The time limit of {seconds:g} s ends the training after {expected:g} of 5 epochs: {left:g} are left out"
    assert (said in caplog.text) is bool(left)


def test_what_came_before_counts_and_at_least_one_epoch_is_trained() -> None:
    # Of 30 s, reading and encoding took 25.
    assert epochs_until_stopped(TimeLimit(30, started=0.0), [35, 45], 3, begun=25.0) == 1


def test_a_resumed_training_measures_its_own_epochs() -> None:
    limit = TimeLimit(25, started=0.0)
    assert epochs_until_stopped(limit, [10, 20, 30, 40], 8, begun=0.0, first=4) == 6
    assert limit.epochs_left_out == 2


def test_a_part_of_an_epoch_takes_its_part_of_the_time() -> None:
    assert epochs_until_stopped(TimeLimit(25, started=0.0), [10, 20, 25], 2.5, begun=0.0) == 2.5


def test_it_is_a_key_of_recipes() -> None:
    assert load_recipe("offline").training.time_limit is None
    assert load_recipe("offline", ["training.time_limit=60"]).training.time_limit == 60
