from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch

from clfa.targets.cells import UnusableCell
from clfa.targets.regression import regression_loss, regression_metrics
from clfa.targets.spec import TargetSpec
from clfa.targets.target import Target

NAN = np.nan
NUMBER = Target("v", "regression", mean=10, sd=4)


def test_regression_figures() -> None:
    labels, values = np.array([1.0, 2.0, 4.0, 3.0]), np.array([1.5, 1.0, 8.0, 2.0])
    error = values - labels
    found = regression_metrics(labels, values)
    assert found["mae"] == pytest.approx(np.abs(error).mean())
    assert found["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert found["r2"] == pytest.approx(1 - (error**2).sum() / ((labels - labels.mean()) ** 2).sum())
    assert found["pearson"] == pytest.approx(np.corrcoef(labels, values)[0, 1])
    assert found["spearman"] == pytest.approx(np.corrcoef([0, 1, 3, 2], [1, 0, 3, 2])[0, 1])
    none = {"r2": None, "pearson": None, "spearman": None}
    assert regression_metrics(np.array([2.0, 2.0]), np.array([1.0, 3.0])) == {"mae": 1.0, "rmse": 1.0, **none}
    assert regression_metrics(np.array([2.0]), np.array([1.0])) == {"mae": 1.0, "rmse": 1.0, **none}
    assert regression_metrics(np.array([1.0, 2.0]), np.array([3.0, 3.0]))["pearson"] is None
    # In the user's unit.
    report = NUMBER.kind.report(np.array([[10.0], [NAN], [18.0]]), np.array([[0.0], [9.0], [1.0]]))
    assert (report["samples"], report["mae"]) == (2, 2.0)


def test_regression_is_of_standardised_values() -> None:
    found = regression_loss(torch.tensor([0.5, -1.0]), torch.tensor([30.0, 10.0]), mean=20.0, sd=5.0)
    assert found.item() == pytest.approx(((0.5 - 2) ** 2 + (-1 + 2) ** 2) / 2)


@pytest.mark.parametrize("cell", ["1_000", "4,5", "12%", "inf", "1e400", "x", [1], b"x"])
def test_what_is_no_number(cell: Any) -> None:
    with pytest.raises(UnusableCell, match="is not a finite number"):
        NUMBER.kind.decode([cell], TargetSpec(problem_type="regression"), None)


@pytest.mark.parametrize(("cell", "value"), [(" 7 ", 7), ("1e3", 1000), (True, 1), (Decimal("1.5"), 1.5), (b"2", 2)])
def test_what_is_a_number(cell: Any, value: float) -> None:
    assert NUMBER.kind.decode([cell], TargetSpec(problem_type="regression"), None) == [value]


@pytest.mark.parametrize("cell", ["1e31", -2e30, 1e300, 10**40])
def test_numbers_beyond_single_precision_are_left_out(cell: Any) -> None:
    kind = Target("t", problem_type="regression").kind
    with pytest.raises(UnusableCell, match=r"is beyond 1e\+30, which models compute with; use another unit") as caught:
        kind.decode([cell], TargetSpec(problem_type="regression"), None)
    assert caught.value.reason == "number too large"
    assert kind.decode(["-1e30"], TargetSpec(problem_type="regression"), None) == [-1e30]


@pytest.mark.parametrize("cell", [10**400, "1e400"])
def test_numbers_that_no_float_holds_are_left_out(cell: Any) -> None:
    with pytest.raises(UnusableCell, match="is not a finite number"):
        Target("t", problem_type="regression").kind.decode([cell], TargetSpec(problem_type="regression"), None)


@pytest.mark.parametrize("values", [[1.7e9, 1.7e9 + 1, 1.7e9 + 2], [1e15, 1e15 + 5, 1e15 + 1], [1e-40, 2e-40, 0.0]])
def test_values_that_single_precision_cannot_tell_apart_are_refused(values: list[float]) -> None:
    # Times in seconds were all one value, and the training ended as a success with a loss of 0.
    found = Target("t", problem_type="regression").kind.obstacle(np.array(values)[:, None], "train")
    assert found is not None
    assert re.search(r"single precision cannot tell apart; subtract \S+ from all of them, or use another unit", found)


@pytest.mark.parametrize(
    "values", [[1e9, 3e9, 2e9], [0.0, 1e30, -1e30], [0.001, 0.002, 0.003], [1e6, 1e6 + 10, 1e6 + 20]]
)
def test_values_of_any_usual_unit_are_learnt(values: list[float]) -> None:
    assert Target("t", problem_type="regression").kind.obstacle(np.array(values)[:, None], "train") is None
