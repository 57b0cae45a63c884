from __future__ import annotations

import numpy as np
import pytest

from clfa.targets.prediction import predict_targets
from clfa.targets.target import Target
from clfa.targets.target_prediction import TargetPrediction

SINGLE = Target("s", label_names=("no", "yes"))
MULTI = Target("e", "multi_label_classification", ("a", "b", "c"))
NUMBER = Target("v", "regression", mean=10, sd=4)


def test_values_and_probabilities() -> None:
    logits = np.array([[1.0, 3.0, 2.0, -2.0, 0.0, 0.5], [3.0, 1.0, -800.0, 800.0, -0.1, -2.0]])
    found = predict_targets([SINGLE, MULTI, NUMBER], logits)
    high = 1 / (1 + np.exp(-2.0))
    assert found[0]["s"].value == "yes"
    assert found[0]["s"].probabilities == pytest.approx({"no": 1 - high, "yes": high})
    # A probability of exactly the threshold has the class.
    assert found[0]["e"].value == ["a", "c"]
    assert found[0]["e"].probabilities == pytest.approx({"a": high, "b": 1 - high, "c": 0.5})
    assert found[0]["v"] == TargetPrediction(12.0)
    assert (found[1]["s"].value, found[1]["e"].value, found[1]["v"].value) == ("no", ["b"], 2.0)
    assert found[1]["e"].probabilities == pytest.approx({"a": 0, "b": 1, "c": 1 / (1 + np.exp(0.1))})
    strict = Target("e", "multi_label_classification", ("a", "b", "c"), thresholds=(0.9, 0.1, 0.6))
    assert strict.kind.values(logits[:, 2:5]).tolist() == [[0, 1, 0], [0, 1, 0]]
    assert np.asarray(SINGLE.kind.probabilities(logits[:, :2])).sum(axis=1) == pytest.approx([1, 1])


def test_json_form() -> None:
    assert TargetPrediction(12345.678901).to_dict() == {"prediction": 12345.7}
    assert TargetPrediction(["a"], {"a": 0.12345678}).to_dict() == {
        "prediction": ["a"],
        "probabilities": {"a": 0.123457},
    }
