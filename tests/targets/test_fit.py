from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clfa.errors import RecipeError
from clfa.recipe import load_recipe
from clfa.targets import CLASS_WEIGHTS
from clfa.targets.fit import fit_targets
from clfa.targets.target import Target

NAN = np.nan
TARGETS = [
    Target("s", label_names=("no", "yes")),
    Target("e", "multi_label_classification", ("a", "b")),
    Target("v", "regression"),
]
LABELS = np.array([[0, 1, 0, 10], [0, 0, 1, NAN], [0, 0, 1, 30], [1, NAN, NAN, NAN], [NAN, 0, 1, 20]], dtype=float)


def weights(wanted: Any) -> list[Any]:
    return [target.class_weights for target in fit_targets(TARGETS, LABELS, wanted)]


def test_balanced_weights_are_of_the_samples_that_have_the_target() -> None:
    single, multi, number = weights("balanced")
    assert single == pytest.approx((4 / (2 * 3), 4 / (2 * 1)))
    assert multi == pytest.approx((3 / 1, 1 / 3))
    assert number is None
    # Every class counts alike.
    assert 3 * single[0] == pytest.approx(1 * single[1])


def test_weights_by_target_and_class() -> None:
    assert weights("none") == [None, None, None]
    assert weights({"e": {"b": 4}, "s": "balanced"})[1:] == [(1.0, 4.0), None]
    assert weights({"s": {"yes": 2.5}}) == [(1.0, 2.5), None, None]
    only = fit_targets(TARGETS[:1], LABELS[:, :1], {"yes": 2})
    assert only[0].class_weights == (1.0, 2.0)
    assert fit_targets(TARGETS[:1], LABELS[:, :1], {"s": {"yes": 2}}) == only


def test_numbers_are_standardised_by_the_values_there_are() -> None:
    number = fit_targets(TARGETS, LABELS)[2]
    assert number.mean == pytest.approx(20)
    assert number.sd == pytest.approx(np.std([10, 20, 30]))


def test_a_class_that_all_have_keeps_a_weight() -> None:
    (target,) = fit_targets([Target("e", "multi_label_classification", ("a",))], np.ones((4, 1)), "balanced")
    assert target.class_weights == (0.25,)


def test_a_registered_scheme_of_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CLASS_WEIGHTS, "_entries", dict(CLASS_WEIGHTS._entries))

    @CLASS_WEIGHTS.register("even")
    def even(kind: Any, values: np.ndarray) -> tuple[float, ...]:
        return tuple(float(count) for count in kind.counts(values).values())

    assert weights({"s": "even"})[0] == (3.0, 1.0)
    with pytest.raises(RecipeError, match=r"class_weights: .*choose none, balanced, even or a mapping of classes"):
        load_recipe("offline", ["training.class_weights=odd"])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"x": "balanced"}, "there is no target 'x'; with several targets give weights by target: s, e, v"),
        ({"s": "even"}, "class_weights of target 's': 'even' is not none, balanced or a mapping"),
        ({"s": {"maybe": 1}}, "class_weights of target 's': there is no class 'maybe'; classes: no, yes"),
        ({"s": {"yes": 0}}, "the weight of 'yes' is 0; it must be a number above 0"),
        ({"s": {"yes": "many"}}, "the weight of 'yes' is 'many'"),
        ({"v": {"yes": 2}}, "target 'v' is a regression and has no classes"),
    ],
)
def test_weights_that_cannot_be(wanted: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        weights(wanted)
