from __future__ import annotations

import pyarrow as pa
import pytest

from clfa.jobs.worker import Outcome
from clfa.prediction.post import Prediction
from clfa.prediction.records import flat_prediction, prediction_outcome, prediction_shape
from clfa.targets.target import Target
from clfa.targets.target_prediction import TargetPrediction

TARGETS = [
    Target("label", label_names=("bad", "good")),
    Target("topics", "multi_label_classification", label_names=("a", "b")),
    Target("score", "regression"),
]
FOUND = {
    "label": TargetPrediction("good", {"bad": 0.25, "good": 0.75}),
    "topics": TargetPrediction(["a", "b"], {"a": 0.5, "b": 0.7500004}),
    "score": TargetPrediction(2.5),
}


def test_flat_columns() -> None:
    text, number, texts = pa.string(), pa.float64(), pa.list_(pa.string())
    probabilities = [("probability_a", number), ("probability_b", number)]
    assert prediction_shape([Target("label", label_names=("a", "b"))]).schema == pa.schema(
        [("prediction", text), *probabilities]
    )
    assert prediction_shape(TARGETS[1:2]).schema == pa.schema([("prediction", texts), *probabilities])
    assert prediction_shape(TARGETS[2:]).schema == pa.schema([("prediction", number)])
    assert prediction_shape(TARGETS).schema == pa.schema(
        [
            ("label.prediction", text),
            ("label.probability_bad", number),
            ("label.probability_good", number),
            ("topics.prediction", texts),
            ("topics.probability_a", number),
            ("topics.probability_b", number),
            ("score.prediction", number),
        ]
    )


def test_one_label() -> None:
    outcome = prediction_outcome(
        Prediction("good", {}, targets={"label": TargetPrediction("good", {"bad": 1 / 3, "good": 2 / 3})})
    )
    assert outcome == Outcome(
        {"prediction": "good", "probabilities": {"bad": 0.333333, "good": 0.666667}}, labels=["good"]
    )
    assert flat_prediction(outcome.values) == {
        "prediction": "good",
        "probability_bad": 0.333333,
        "probability_good": 0.666667,
    }


@pytest.mark.parametrize(
    ("names", "labels", "flat"),
    [
        (["score"], [], {"prediction": 2.5}),
        (["topics"], ["a", "b"], {"prediction": ["a", "b"], "probability_a": 0.5, "probability_b": 0.75}),
        (
            ["label", "topics", "score"],
            ["label: good", "topics: a", "topics: b"],
            {
                "label.prediction": "good",
                "label.probability_bad": 0.25,
                "label.probability_good": 0.75,
                "topics.prediction": ["a", "b"],
                "topics.probability_a": 0.5,
                "topics.probability_b": 0.75,
                "score.prediction": 2.5,
            },
        ),
    ],
    ids=["number", "classes", "several"],
)
def test_targets(names: list[str], labels: list[str], flat: dict[str, object]) -> None:
    outcome = prediction_outcome(Prediction(None, {}, targets={name: FOUND[name] for name in names}))
    assert outcome.labels == labels
    assert flat_prediction(outcome.values) == flat
    # The columns are those of the schema.
    assert list(flat) == prediction_shape([target for target in TARGETS if target.name in names]).schema.names
    assert ("targets" in outcome.values) == (len(names) > 1)


@pytest.mark.parametrize("names", [["label"], ["label", "score"]])
def test_agreement(names: list[str]) -> None:
    targets = [target for target in TARGETS if target.name in names]
    found = {name: FOUND[name] for name in names}
    schema = prediction_shape(targets, has_agreement=True).schema
    assert schema.field("agreement").type == pa.float64()
    assert schema.remove(schema.get_field_index("agreement")) == prediction_shape(targets).schema
    outcome = prediction_outcome(Prediction(None, {}, targets=found, agreement=0.12345678))
    assert outcome.values["agreement"] == 0.123457
    flat = flat_prediction(outcome.values)
    assert flat["agreement"] == 0.123457
    assert list(flat) == schema.names
    # A post without text or image has none.
    assert "agreement" not in prediction_outcome(Prediction(None, {}, targets=found)).values


def test_failures() -> None:
    outcome = prediction_outcome(Prediction(None, {}, error="no such file", reason="missing image"))
    assert outcome == Outcome({"prediction": None}, "no such file", "missing image")
    assert flat_prediction(outcome.values) == {"prediction": None}
