from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from clfa.errors import DataError
from clfa.modeling import CLFAConfig
from clfa.targets.fit import fit_targets
from clfa.targets.ordinal import grade_metrics, ordinal_loss
from clfa.targets.spec import parse_specs
from clfa.targets.target import Target, class_names, output_names

GRADES = ("not", "slightly", "clearly", "very")
TARGET = Target("twisted", "ordinal", GRADES)


def by_hand(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray, gamma: float, smoothing: float) -> float:
    """Question by question: is the grade above k, of the samples whose grade is not below k."""
    total = norm = 0.0
    for row, label in zip(logits, labels, strict=True):
        for k, x in enumerate(row):
            if label < k:
                break
            p = 1 / (1 + np.exp(-x))
            answer = (label > k) * (1 - smoothing) + smoothing / 2
            cost = -answer * (1 - p) ** gamma * np.log(p) - (1 - answer) * p**gamma * np.log(1 - p)
            total += weights[label] * cost
            norm += weights[label]
    return total / norm


def draws(seed: int, n: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, grades, weights."""
    random = np.random.default_rng(seed)
    return random.normal(0, 2, (n, 3)), random.integers(0, 4, n), random.uniform(0.2, 5, 4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([0.0, 0.1]))
def test_the_loss_is_the_formula(seed: int, gamma: float, smoothing: float) -> None:
    logits, labels, weights = draws(seed)
    tensors = [torch.from_numpy(array) for array in (logits, labels, weights)]
    found = ordinal_loss(tensors[0], tensors[1], tensors[2], gamma, smoothing)
    assert found.item() == pytest.approx(by_hand(logits, labels, weights, gamma, smoothing), rel=1e-9)
    found = ordinal_loss(tensors[0], tensors[1], None, gamma, smoothing)
    assert found.item() == pytest.approx(by_hand(logits, labels, np.ones(4), gamma, smoothing), rel=1e-9)


def test_the_loss_is_the_likelihood_of_the_grades() -> None:
    logits, labels, _ = draws(4)
    probabilities = np.asarray(TARGET.kind.probabilities(logits))
    questions = np.minimum(labels + 1, 3).sum()
    expected = -np.log(probabilities[np.arange(9), labels]).sum() / questions
    assert TARGET.kind.loss(torch.from_numpy(logits), torch.from_numpy(labels)[:, None]).item() == pytest.approx(
        expected
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000))
def test_probabilities_add_up_and_the_prediction_is_their_median(seed: int) -> None:
    logits = 3 * draws(seed)[0]
    probabilities = np.asarray(TARGET.kind.probabilities(logits))
    assert probabilities.min() >= 0
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(9))
    for row, value in zip(probabilities, TARGET.kind.values(logits)[:, 0], strict=True):
        # At most half of the mass lies on either side.
        assert row[: int(value)].sum() <= 0.5 + 1e-9
        assert row[int(value) + 1 :].sum() <= 0.5 + 1e-9


def test_certain_outputs() -> None:
    logits = np.array([[-900.0, 900.0, 900.0], [900.0, 900.0, -900.0], [900.0, 900.0, 900.0]], np.float32)
    assert TARGET.kind.values(logits)[:, 0].tolist() == [0, 2, 3]
    np.testing.assert_allclose(TARGET.kind.probabilities(logits), np.eye(4)[[0, 2, 3]], atol=1e-12)
    tensor = torch.from_numpy(logits).requires_grad_()
    ordinal_loss(tensor, torch.tensor([3, 0, 1]), gamma=0.5).backward()
    assert tensor.grad is not None
    assert tensor.grad.isfinite().all()


def test_metrics_by_hand() -> None:
    labels, found = np.array([0, 1, 2, 3, 3, 0]), np.array([0, 2, 2, 3, 1, 1])
    observed, expected = np.zeros((4, 4)), np.zeros((4, 4))
    for a, b in zip(labels, found, strict=True):
        observed[a, b] += 1
        for c in found:
            expected[a, c] += 1 / 6
    weights = np.subtract.outer(np.arange(4), np.arange(4)) ** 2
    metrics = grade_metrics(labels, found, 4)
    assert metrics == pytest.approx(
        {
            "mae": (0 + 1 + 0 + 0 + 2 + 1) / 6,
            "quadratic_weighted_kappa": 1 - (weights * observed).sum() / (weights * expected).sum(),
            "spearman": spearmanr(labels, found).statistic,
        }
    )
    one = np.array([2, 2])
    assert grade_metrics(one, one, 4) == {"mae": 0.0, "quadratic_weighted_kappa": None, "spearman": None}
    assert grade_metrics(one, np.array([1, 2]), 4)["spearman"] is None


def test_grades_have_one_output_less() -> None:
    assert (TARGET.width, TARGET.logit_width) == (1, 3)
    assert output_names([TARGET]) == ["above not", "above slightly", "above clearly"]
    assert class_names([TARGET]) == list(GRADES)
    config = CLFAConfig(text_config={"model_type": "bert"}, targets=[TARGET.to_dict()])
    # Transformers knows no such type.
    assert (config.num_labels, config.problem_type) == (3, None)
    assert config.target_list == [TARGET]


def test_class_weights() -> None:
    labels = np.array([[0], [0], [1], [2], [3], [np.nan]])
    (fitted,) = fit_targets([TARGET], labels, "balanced")
    assert fitted.class_weights == pytest.approx((5 / 8, 5 / 4, 5 / 4, 5 / 4))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "target 'g': value: .*an ordinal target needs label_names, from the lowest grade to the highest"),
        ({"label_names": ["a"]}, "an ordinal target needs at least two grades in label_names"),
    ],
)
def test_an_order_cannot_be_guessed(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_specs({"g": {"problem_type": "ordinal", **spec}})


def test_one_grade_is_none() -> None:
    with pytest.raises(DataError, match="target 'g' is ordinal and needs at least two grades"):
        Target("g", "ordinal", ("a",))
