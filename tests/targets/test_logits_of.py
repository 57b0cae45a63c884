from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clfa.targets.probabilities import log_odds, log_probabilities, sigmoid
from clfa.targets.problem_type import ProblemType
from clfa.targets.target import Target

GRADES = ("low", "middle", "high", "highest")


@pytest.mark.parametrize("problem_type", ["single_label_classification", "ordinal"])
@given(weights=arrays(np.float64, (3, 4), elements=st.floats(0.01, 1)))
def test_probabilities_come_back(problem_type: str, weights: np.ndarray) -> None:
    kind = Target("mood", problem_type, GRADES).kind
    table = weights / weights.sum(axis=1, keepdims=True)
    logits = kind.logits_of(table)
    assert logits.shape == (3, len(kind.logit_names))
    np.testing.assert_allclose(kind.probabilities(logits), table, atol=1e-9)


@given(table=arrays(np.float64, (3, 4), elements=st.floats(0.001, 0.999)))
def test_probabilities_of_sets_come_back(table: np.ndarray) -> None:
    kind = Target("mood", "multi_label_classification", GRADES).kind
    np.testing.assert_allclose(kind.probabilities(kind.logits_of(table)), table, atol=1e-9)


def test_values_come_back_in_the_users_unit() -> None:
    kind = Target("strength", "regression", (), mean=10.0, sd=4.0).kind
    logits = kind.logits_of(np.array([[18.0], [10.0]]))
    assert logits.tolist() == [[2.0], [0.0]]
    assert kind.values(logits).tolist() == [[18.0], [10.0]]


def test_certain_estimates_stay_finite() -> None:
    ordinal = Target("mood", "ordinal", GRADES).kind
    logits = ordinal.logits_of(np.array([[1.0, 0, 0, 0], [0, 0, 0, 1.0], [0, 1.0, 0, 0]]))
    assert np.isfinite(logits).all()
    assert ordinal.values(logits).tolist() == [[0], [3], [1]]
    assert log_probabilities(np.array([0.0, 1.0])).tolist() == [np.log(1e-12), 0]
    assert sigmoid(log_odds(np.array([0.0, 0.25, 1.0]))) == pytest.approx([0, 0.25, 1], abs=1e-11)


def test_a_problem_type_without_it_says_so() -> None:
    kind = Target("mood", label_names=GRADES).kind
    with pytest.raises(NotImplementedError, match=r"'single_label_classification' has no logits_of\(\)"):
        ProblemType.logits_of(kind, np.ones((1, 4)))
