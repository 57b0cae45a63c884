from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from clfa.blending.agreement import RIDGE, agreement_map, weights_with_agreement
from clfa.blending.weights import blend_weights
from clfa.targets.target import Target

_CLASSES = Target("label", label_names=("no", "yes"))


def _drawn(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    agreement = draw.normal(0.3, 0.1, count)
    labels = (agreement + draw.normal(0, 0.08, count) > 0.35).astype(float)
    return agreement, labels[:, None]


def test_for_classes_it_is_a_logistic_regression() -> None:
    agreement, labels = _drawn()
    found = agreement_map(_CLASSES, agreement, labels)
    scaled = (agreement - agreement.mean()) / agreement.std()
    # The penalty on two slopes of opposite sign is half of that on their difference, which is halved there, too.
    plain = LogisticRegression(C=1 / RIDGE, tol=1e-10).fit(scaled[:, None], labels[:, 0])
    logits = found(agreement)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], plain.decision_function(scaled[:, None]), atol=1e-3)
    assert found.weight[1] == pytest.approx(-found.weight[0], abs=1e-6)


def test_for_a_number_it_is_a_line() -> None:
    agreement, _ = _drawn()
    values = 3 * agreement - 1
    target = Target("score", problem_type="regression", mean=float(values.mean()), sd=float(values.std()))
    found = agreement_map(target, agreement, values[:, None])
    # The penalty on the slope: 400 posts against one.
    expected = (values - values.mean()) / values.std() * 400 / 401
    np.testing.assert_allclose(found(agreement)[:, 0], expected, atol=1e-4)


def test_posts_without_a_label_or_without_agreement_do_not_count() -> None:
    agreement, labels = _drawn()
    more = np.concatenate([agreement, [np.nan, 5.0]])
    found = agreement_map(_CLASSES, more, np.concatenate([labels, [[1.0], [np.nan]]]))
    expected = agreement_map(_CLASSES, agreement, labels)
    np.testing.assert_allclose(found.weight, expected.weight)
    np.testing.assert_array_equal(found(np.array([np.nan, 0.5]))[0], [0, 0])


@pytest.mark.parametrize(
    ("agreement", "labels"),
    [
        (np.array([]), np.empty((0, 1))),
        (np.array([np.nan, 0.2]), np.array([[1.0], [np.nan]])),
        (np.array([0.2, 0.2]), np.array([[1.0], [0.0]])),
    ],
    ids=["no posts", "none with both", "all equal"],
)
def test_nothing_to_fit(agreement: np.ndarray, labels: np.ndarray) -> None:
    found = agreement_map(_CLASSES, agreement, labels)
    np.testing.assert_array_equal(found.weight, [0, 0])
    np.testing.assert_array_equal(found.bias, [0, 0])


def _parts(agreement: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Logits of a network that knows a little, and of the agreement."""
    draw = np.random.default_rng(1)
    hint = (labels[:, 0] - 0.5) * 0.5 + draw.normal(0, 1, len(labels))
    return [np.stack([-hint, hint], axis=1), agreement_map(_CLASSES, agreement, labels)(agreement)]


def test_an_agreement_that_tells_the_classes_apart_takes_part() -> None:
    agreement, labels = _drawn()
    parts = _parts(agreement, labels)
    without = blend_weights(_CLASSES, parts[:1], labels)
    found = weights_with_agreement(_CLASSES, parts, labels, without)
    np.testing.assert_allclose(found, blend_weights(_CLASSES, parts, labels))
    assert found[1] > 0.4


def test_an_agreement_that_says_nothing_does_not_draw_the_blend_to_the_frequent_class(
    caplog: pytest.LogCaptureFixture,
) -> None:
    agreement = np.random.default_rng(2).normal(0.3, 0.1, 400)
    labels = (np.arange(400) % 5 == 0).astype(float)[:, None]
    parts = _parts(agreement, labels)
    without = blend_weights(_CLASSES, parts[:1], labels)
    # By the loss alone it would have a weight.
    assert blend_weights(_CLASSES, parts, labels)[1] > 0.2
    with caplog.at_level("INFO"):
        found = weights_with_agreement(_CLASSES, parts, labels, without)
    np.testing.assert_array_equal(found, [*without, 0])
    assert "The agreement takes no part in the blend for 'label': macro_f1 on validation is" in caplog.text
