"""Calibrated targets: temperatures, kept values, errors of probabilities, prediction sets, abstention."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfa.errors import DataError, ModelError
from clfa.targets.calibrate import calibrated, fit_temperature
from clfa.targets.calibration import KEPT, Calibration, ranked, value_at
from clfa.targets.prediction import predict_targets, prediction_columns, prediction_record
from clfa.targets.reliability import (
    calibration_report,
    expected_calibration_error,
    probability_errors,
    reliability_bins,
    risk_coverage,
)
from clfa.targets.rules import Rules
from clfa.targets.set_methods import SET_METHODS
from clfa.targets.target import Target

SINGLE = Target("s", label_names=("a", "b", "c"))
MULTI = Target("m", "multi_label_classification", ("x", "y"))
GRADES = Target("o", "ordinal", ("low", "middle", "high"))
NUMBER = Target("v", "regression", mean=10, sd=4)


def drawn(target: Target, count: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the probabilities of outputs, and these outputs times ``sharpness``: T = sharpness is true."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(count, target.logit_width)) * 1.5
    if target.problem_type == "regression":
        return target.kind.values(logits) + random.normal(size=(count, 1)), logits
    table = target.kind.probabilities(logits)
    assert table is not None
    if target.problem_type == "multi_label_classification":
        labels = (random.random(table.shape) < table).astype(float)
    else:
        labels = (random.random((count, 1)) > table.cumsum(axis=1)).sum(axis=1, keepdims=True).astype(float)
        labels = np.minimum(labels, table.shape[1] - 1)
    return labels, logits * sharpness


@pytest.mark.parametrize("target", [SINGLE, MULTI, GRADES], ids=lambda target: target.problem_type)
@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_that_the_labels_were_drawn_with_is_found(target: Target, sharpness: float) -> None:
    labels, logits = drawn(target, 3000, sharpness)
    assert fit_temperature(target, labels, logits) == pytest.approx(sharpness, rel=0.1)
    (found,) = calibrated([target], labels, logits)
    before, after = probability_errors(target.kind, labels, logits), probability_errors(found.kind, labels, logits)
    assert after["nll"] <= before["nll"] + 1e-6
    if sharpness == 3:
        assert before["ece"] > 0.1 > 0.05 > after["ece"]
    # No decision changes.
    assert (found.kind.values(logits) == target.kind.values(logits)).all()


def test_class_weights_do_not_move_a_temperature() -> None:
    labels, logits = drawn(SINGLE, 300, 2.0)
    weighted = replace(SINGLE, class_weights=(10.0, 1.0, 0.1))
    assert fit_temperature(weighted, labels, logits) == fit_temperature(SINGLE, labels, logits)


def test_a_few_posts_that_are_all_right_do_not_make_a_model_certain() -> None:
    logits = np.eye(3) * 4
    labels = np.arange(3.0)[:, None]
    temperature = fit_temperature(SINGLE, labels, logits)
    assert 0.3 < temperature < 1
    # Without the pull it is the least allowed.
    assert fit_temperature(SINGLE, labels, logits, pull=0.0) < 0.1


@pytest.mark.parametrize("kept", [1, 7, KEPT, KEPT + 1, 5 * KEPT + 3])
@pytest.mark.parametrize("level", [0.01, 0.5, 0.9, 0.99])
def test_a_kept_value_is_that_of_the_rank_or_a_little_larger(kept: int, level: float) -> None:
    values = np.random.default_rng(1).random(kept)
    rank = math.ceil(level * kept)
    found = value_at(ranked(values), kept, rank)
    exact = np.sort(values)[rank - 1]
    assert len(ranked(values)) <= KEPT
    assert found >= exact
    assert (values <= found).sum() <= rank + math.ceil(kept / KEPT)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_kept_values_are_never_below_the_exact_ones(values: list[float]) -> None:
    exact = np.sort(values)
    assert (np.array(ranked(values)) >= exact).all()
    assert np.array(ranked(values)) == pytest.approx(exact, rel=1e-7)


def test_above_all_ranks_is_infinity() -> None:
    assert value_at((1.0, 2.0), 2, 3) == math.inf
    assert value_at((), 0, 1) == math.inf


def test_the_calibration_error_of_a_known_table() -> None:
    probabilities = np.array([0.9] * 10 + [0.55] * 10)
    happened = np.array([True] * 8 + [False] * 2 + [True] * 5 + [False] * 5)
    assert expected_calibration_error(probabilities, happened) == pytest.approx(0.5 * 0.1 + 0.5 * 0.05)
    bins = reliability_bins(probabilities, happened)
    assert len(bins) == 15
    assert [number for number, b in enumerate(bins) if b["samples"]] == [8, 13]
    assert bins[13] == {"samples": 10, "confidence": pytest.approx(0.9), "frequency": 0.8}
    # 1/3 is the end of the fifth bin, 0 in the first, 1 in the last.
    assert [b["samples"] for b in reliability_bins(np.array([1 / 3, 0.0, 1.0]), np.ones(3))] == [
        *(1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
    ]


def test_errors_of_probabilities_by_hand() -> None:
    logits = np.log(np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]))
    found = probability_errors(SINGLE.kind, np.array([[0.0], [2.0]]), logits)
    assert found["nll"] == pytest.approx(-(math.log(0.5) + math.log(0.1)) / 2)
    assert found["brier"] == pytest.approx(((0.25 + 0.09 + 0.04) + (0.01 + 0.64 + 0.81)) / 2)
    assert found["ece"] == pytest.approx((0.5 + 0.8) / 2)
    both = probability_errors(MULTI.kind, np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]))
    assert both == pytest.approx({"nll": math.log(2), "brier": 0.25, "ece": 0.5, "classwise_ece": 0.5})


def test_risk_over_coverage_by_hand() -> None:
    found = risk_coverage(np.array([0.9, 0.6, 0.8, 0.7]), np.array([True, False, True, False]))
    assert found["points"] == [[0.25, 0.0], [0.5, 0.0], [0.75, pytest.approx(1 / 3)], [1.0, 0.5]]
    assert found["area"] == pytest.approx((0 + 0 + 1 / 3 + 1 / 2) / 4)


def test_the_report_has_what_thresholds_reach() -> None:
    labels, logits = drawn(SINGLE, 400, 2.0)
    (found,) = calibrated([SINGLE], labels, logits)
    report = calibration_report(found, *drawn(SINGLE, 400, 2.0, seed=5))
    assert report is not None
    assert report["temperature"] == found.calibration.temperature  # type: ignore[union-attr]
    assert [one["reached"] for one in report["abstention"]] == pytest.approx([0.8, 0.9], abs=0.06)
    assert {one["method"] for one in report["sets"]} == {"lac", "aps"}
    assert all(one["reached"] > 0.85 for one in report["sets"])
    json.dumps(report, allow_nan=False)
    plain = calibration_report(SINGLE, labels, logits)
    assert plain is not None
    assert plain["temperature"] is None
    assert plain["before"] == plain["after"]
    assert "sets" not in plain
    assert calibration_report(NUMBER, *drawn(NUMBER, 5, 1.0)) is None
    assert calibration_report(SINGLE, np.full((3, 1), np.nan), np.zeros((3, 3))) is None


@pytest.mark.parametrize(
    ("target", "method"),
    [(SINGLE, "lac"), (SINGLE, "aps"), (GRADES, "lac"), (GRADES, "aps"), (MULTI, "lac"), (NUMBER, "residual")],
    ids=str,
)
def test_sets_have_the_true_label_as_often_as_promised(target: Target, method: str) -> None:
    level, reached = 0.9, []
    for seed in range(20):
        labels, logits = drawn(target, 100, 2.0, seed)
        (found,) = calibrated([target], labels, logits)
        assert found.calibration is not None
        labels, logits = drawn(target, 100, 2.0, 100 + seed)
        sets = found.kind.prediction_sets(logits, method, found.calibration.limit(method, level))
        for one, own in zip(sets, labels, strict=True):
            truth = target.kind.describe(own)
            if target is NUMBER:
                reached.append(one[0] <= truth <= one[1])
            else:
                reached.append(set(truth if target is MULTI else [truth]) <= set(one))
    assert np.mean(reached) >= 0.885
    if method != "aps":
        assert np.mean(reached) <= 0.93


def test_limits_and_sets_of_lac_are_mapies() -> None:
    """MAPIE's numbers for the same probabilities; it takes estimators, not probabilities, hence the stand-in."""
    mapie = pytest.importorskip("mapie.classification")
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):
        classes_ = np.arange(3)

        def fit(self, x: Any, y: Any) -> Given:
            return self

        def predict_proba(self, x: Any) -> Any:
            return np.asarray(x)

        def predict(self, x: Any) -> Any:
            return np.asarray(x).argmax(axis=1)

        def __sklearn_is_fitted__(self) -> bool:
            return True

    labels, logits = drawn(SINGLE, 150, 2.0)
    new = drawn(SINGLE, 60, 2.0, seed=9)[1]
    (found,) = calibrated([SINGLE], labels, logits)
    theirs = mapie.SplitConformalClassifier(Given(), confidence_level=0.8, conformity_score="lac", prefit=True)
    theirs.conformalize(found.kind.probabilities(logits), labels[:, 0].astype(int))
    inside = theirs.predict_set(found.kind.probabilities(new))[1][:, :, 0]
    assert found.calibration is not None
    limit = found.calibration.limit("lac", 0.8)
    assert limit == pytest.approx(theirs._mapie_classifier.conformity_score_function_.quantiles_[0], abs=1e-6)
    assert ((SET_METHODS.get("lac")(found.kind.probabilities(new)) <= limit) == inside).all()
    assert 0 < inside.mean() < 1


def test_scores_of_aps_are_mapies() -> None:
    """Before its randomisation, which would give a post other sets at every call."""
    aps = pytest.importorskip("mapie.conformity_scores").APSConformityScore
    labels, logits = drawn(SINGLE, 150, 2.0)
    theirs, _ = aps.get_true_label_cumsum_proba(
        labels[:, 0].astype(int), SINGLE.kind.probabilities(logits), np.arange(3)
    )
    assert SINGLE.kind.nonconformity(labels, logits, "aps") == pytest.approx(theirs[:, 0])


@pytest.mark.parametrize("target", [SINGLE, MULTI, GRADES, NUMBER], ids=lambda target: target.problem_type)
def test_a_calibration_survives_a_configuration(target: Target) -> None:
    (found,) = calibrated([target], *drawn(target, 50, 2.0))
    assert found.calibration is not None
    again = Target(**json.loads(json.dumps(found.to_dict())))
    assert again == found
    # Coverage of all posts needs no confidence.
    assert found.calibration.threshold(1.0) == -math.inf


def test_posts_without_a_label_do_not_count() -> None:
    labels, logits = drawn(SINGLE, 50, 2.0)
    labels[:20] = np.nan
    (found,) = calibrated([SINGLE], labels, logits)
    assert found.calibration is not None
    assert found.calibration.samples == 30
    assert calibrated([SINGLE], np.full_like(labels, np.nan), logits) == [SINGLE]


def test_a_share_of_the_posts_gets_no_label() -> None:
    labels, logits = drawn(SINGLE, 100, 1.0)
    (found,) = calibrated([SINGLE], labels, logits)
    rows = predict_targets([found], logits, Rules(coverage=0.8))
    plain = predict_targets([found], logits)
    silent = [row["s"] for row in rows if row["s"].abstained]
    assert len(silent) == 20
    assert all(one.value is None for one in silent)
    assert max(one.confidence for one in silent) <= min(  # type: ignore[type-var]
        row["s"].confidence for row in rows if not row["s"].abstained
    )
    assert [row["s"].probabilities for row in rows] == [row["s"].probabilities for row in plain]
    record = prediction_record(next(row for row in rows if row["s"].abstained))
    assert record["prediction"] is None
    assert record["abstained"] is True
    assert set(record) == {"prediction", "probabilities", "confidence", "abstained"}
    assert predict_targets([found], logits, Rules(coverage=1.0))[0]["s"].value is not None


def test_columns_of_rules() -> None:
    columns = prediction_columns([SINGLE], Rules(0.8, 0.9))
    assert columns["abstained"] == "bool"
    assert columns["set"] == "texts"
    several = prediction_columns([MULTI, NUMBER], Rules(sets=0.9))
    assert several["m.set"] == "texts"
    assert several["v.lowest"] == several["v.highest"] == "number"
    assert prediction_columns([SINGLE], Rules()) == prediction_columns([SINGLE])


def test_a_number_gets_an_interval() -> None:
    (found,) = calibrated([NUMBER], *drawn(NUMBER, 100, 1.0))
    (row,) = predict_targets([found], np.array([[0.5]]), Rules(sets=0.9))
    low, high = row["v"].set or ()
    assert low < row["v"].value < high
    assert (low + high) / 2 == pytest.approx(row["v"].value)


CALIBRATED = calibrated([SINGLE], *drawn(SINGLE, 30, 1.0))[0]


@pytest.mark.parametrize(
    ("arguments", "targets", "message"),
    [
        ({"coverage": 0}, [CALIBRATED], r"^coverage is 0; give a share above 0, at most 1\.$"),
        ({"coverage": 1.2}, [CALIBRATED], r"^coverage is 1\.2; give a share"),
        ({"coverage": math.nan}, [CALIBRATED], r"^coverage is nan; give a share"),
        ({"sets": 1.0}, [CALIBRATED], r"^sets is 1\.0; give a probability between 0 and 1"),
        ({"sets": 0.9, "set_method": "asp"}, [CALIBRATED], r"choose one of lac, aps\. Did you mean 'aps'\?"),
        ({"sets": 0.9}, [SINGLE], r"^sets needs a calibrated model, and this one is not of target 's': it was trained"),
        ({"coverage": 0.9}, [SINGLE], r"^coverage needs a calibrated model"),
        (
            {"coverage": 0.9},
            calibrated([NUMBER], *drawn(NUMBER, 30, 1.0)),
            r"^coverage needs a confidence, and target 'v' \(regression\) has none; use sets for an interval",
        ),
        (
            {"sets": 0.99},
            [CALIBRATED],
            r"^sets 0\.99 needs at least 99 held-out posts, and the model was calibrated on 30 of target 's'",
        ),
        (
            {"sets": 0.9},
            [replace(SINGLE, calibration=Calibration(1.0, 30, (0.5,), {}))],
            r"^sets: the model holds no scores of the method 'lac' of target 's'; it has: none\.$",
        ),
    ],
)
def test_what_cannot_be_asked(arguments: dict[str, Any], targets: list[Target], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Rules(**arguments).check(targets)


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ({"temperature": 0}, "the temperature is 0; it must be a finite number above 0"),
        ({"temperature": math.inf}, "the temperature is inf"),
        ({"confidences": [0.1, math.nan]}, "the confidences are not all finite numbers"),
        ({"scores": {"lac": ["a"]}}, "the scores of lac are not all finite numbers"),
        ({"warmth": 1}, "unexpected keyword argument 'warmth'"),
    ],
)
def test_a_damaged_calibration_is_named(calibration: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"^target 's': calibration: .*{message}"):
        Target("s", label_names=("a", "b"), calibration=calibration)  # type: ignore[arg-type]


def test_kinds_without_sets_say_so() -> None:
    from clfa.targets.problem_type import ProblemType

    with pytest.raises(NotImplementedError, match="has no prediction sets"):
        ProblemType.nonconformity(SINGLE.kind, np.zeros((1, 1)), np.zeros((1, 3)), "lac")
    with pytest.raises(NotImplementedError, match="has no prediction sets"):
        ProblemType.prediction_sets(SINGLE.kind, np.zeros((1, 3)), "lac", 1.0)
