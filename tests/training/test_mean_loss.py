from __future__ import annotations

from typing import Any

import pytest

from clfa.training.mean_loss import mean_loss


def _history(*losses: float | None) -> list[dict[str, Any]]:
    """Return a history with a loss every four steps, and an evaluation after each."""
    return [line for n, loss in enumerate(losses, 1) for line in ({"loss": loss, "step": 4 * n}, {"step": 4 * n})]


@pytest.mark.parametrize(
    ("losses", "begun", "steps", "rest", "expected"),
    [
        ((3.0, 1.0), 0, 8, 0.0, {"train_loss": 2.0}),
        ((3.0, 1.0), 4, 8, 0.0, {"train_loss": 2.0}),
        ((3.0, 1.0), 4, 10, 4.0, {"train_loss": 2.0}),
        ((), 0, 2, 4.0, {"train_loss": 2.0}),
        ((), 0, 0, 0.0, {"train_loss": 0.0}),
        # Steps 5 and 6 were in no line when the run was killed.
        ((3.0, 1.0), 6, 8, 0.0, {}),
        ((3.0, None), 0, 8, 0.0, {}),
    ],
)
def test_the_mean_is_that_of_all_steps(losses: Any, begun: int, steps: int, rest: float, expected: Any) -> None:
    assert mean_loss(_history(*losses), begun, steps, rest) == expected
