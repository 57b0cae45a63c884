from __future__ import annotations

import numpy as np
import pytest

from clfa.blending.weights import blend_weights, prior_weights
from clfa.targets.target import Target

TWO = Target("label", label_names=("a", "b"))


def noisy(labels: np.ndarray, strength: float, seed: int) -> np.ndarray:
    """Logits that say the class with noise; strength 0 says nothing."""
    noise = np.random.default_rng(seed).normal(size=(len(labels), 2))
    return strength * np.eye(2)[labels.astype(int)] + noise


def test_the_better_part_has_more_weight_and_an_opposed_one_none() -> None:
    labels = np.random.default_rng(0).integers(0, 2, 500).astype(float)
    parts = [noisy(labels, 3, 1), noisy(labels, 1, 2), -noisy(labels, 1, 3)]
    weights = blend_weights(TWO, parts, labels[:, None])
    assert weights[0] > weights[1] > weights[2] == 0


def test_the_weights_are_those_of_a_grid_search() -> None:
    labels = np.random.default_rng(0).integers(0, 2, 60).astype(float)
    parts = [noisy(labels, 2, 1), noisy(labels, 1, 2)]

    def objective(weights: tuple[float, float]) -> float:
        logits = weights[0] * parts[0] + weights[1] * parts[1]
        losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(60), labels.astype(int)]
        return float(losses.mean() + 5 / (60 * 2) * sum((w - 0.5) ** 2 for w in weights))

    grid = np.linspace(0, 2, 101)
    best = min(((a, b) for a in grid for b in grid), key=objective)
    np.testing.assert_allclose(blend_weights(TWO, parts, labels[:, None], pull=5), best, atol=0.02)


def test_a_strong_pull_gives_half_the_weight_to_the_network() -> None:
    labels = np.random.default_rng(0).integers(0, 2, 50).astype(float)
    parts = [noisy(labels, strength, seed) for seed, strength in enumerate((3, 0, 1, 2, 0))]
    found = blend_weights(TWO, parts, labels[:, None], pull=1e9)
    np.testing.assert_allclose(found, [0.5, 0.125, 0.125, 0.125, 0.125], atol=1e-4)
    assert prior_weights(1).tolist() == [1]


def test_missing_labels_do_not_count() -> None:
    labels = np.random.default_rng(0).integers(0, 2, 40).astype(float)
    parts = [noisy(labels, 3, 1), noisy(labels, 1, 2)]
    expected = blend_weights(TWO, [part[:30] for part in parts], labels[:30, None])
    masked = np.where(np.arange(40) < 30, labels, np.nan)
    np.testing.assert_allclose(blend_weights(TWO, parts, masked[:, None]), expected, atol=1e-6)
    assert blend_weights(TWO, parts, np.full((40, 1), np.nan)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("target", "labels", "logits"),
    [
        (
            Target("tags", "multi_label_classification", ("a", "b")),
            [[1, 0], [0, 1], [1, 1]],
            [[2, -2], [-2, 2], [2, 2]],
        ),
        (Target("score", "regression", (), mean=1.0, sd=2.0), [[1], [3], [5]], [[0], [1], [2]]),
        (Target("grade", "ordinal", ("a", "b", "c")), [[0], [1], [2]], [[-2, -2], [2, -2], [2, 2]]),
    ],
)
def test_every_problem_type_prefers_the_part_that_is_right(target: Target, labels: list, logits: list) -> None:
    right = np.array(logits, dtype=float)
    weights = blend_weights(target, [right, -right], np.array(labels, dtype=float), pull=0.1)
    assert weights[0] > 0.5
    assert weights[1] < 0.01
