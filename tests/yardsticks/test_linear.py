from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score

from clfa.processing.terms import Terms
from clfa.targets.probabilities import sigmoid, softmax
from clfa.targets.target import Target
from clfa.yardsticks import YARDSTICKS
from clfa.yardsticks.base import LinearMap, YardstickData, YardstickSplit
from clfa.yardsticks.blocks import Scale
from clfa.yardsticks.linear import STRENGTHS
from clfa.yardsticks.pooled_image import PooledImage

NAMES = [name for name in YARDSTICKS.names() if name != "majority"]


def best_by_hand(data: YardstickData) -> tuple[dict[str, object], np.ndarray]:
    """Settings and test probabilities of the image features' logistic regression, by a plain search."""
    x, y = data.block("image"), {name: split.labels[:, 0] for name, split in data.splits.items()}
    found = []
    for weighting in ("none", "balanced"):
        for strength in STRENGTHS:
            model = LogisticRegression(C=strength, class_weight=None if weighting == "none" else weighting)
            model.fit(x["train"], y["train"])
            score = f1_score(y["validation"], model.predict(x["validation"]), average="macro")
            found.append((score, {"C": strength, "class_weight": weighting}, model.predict_proba(x["test"])))
    best = max(range(len(found)), key=lambda place: found[place][0])
    return found[best][1], found[best][2]


def test_the_settings_are_those_of_the_best_macro_f1_on_validation(data: YardstickData) -> None:
    settings, probabilities = best_by_hand(data)
    found = PooledImage().outputs(data)
    assert found.settings == settings
    np.testing.assert_allclose(np.exp(found.logits["test"]), probabilities, atol=0.01)


def test_test_labels_have_no_influence(data: YardstickData) -> None:
    other = replace(data.splits["test"], labels=1 - data.splits["test"].labels)
    changed = replace(data, splits={**data.splits, "test": other})
    first, second = PooledImage().outputs(data), PooledImage().outputs(changed)
    assert first.settings == second.settings
    assert (first.logits["test"] == second.logits["test"]).all()


@pytest.mark.parametrize("name", NAMES)
def test_each_yardstick_learns_what_its_input_says(name: str, data: YardstickData) -> None:
    found = YARDSTICKS.get(name)().outputs(data)
    labels = data.splits["test"].labels[:, 0]
    accuracy = (found.logits["test"].argmax(axis=1) == labels).mean()
    assert {split: len(logits) for split, logits in found.logits.items()} == {"train": 60, "validation": 40, "test": 50}
    # The texts say the class, the image features with noise, the text features do not.
    expected = {"tfidf": (1, 1), "pooled_text": (0.3, 0.65), "pooled_image": (0.75, 0.95), "pooled": (0.7, 0.95)}
    low, high = expected.get(name, (0.95, 1))
    assert low <= accuracy <= high


def test_missing_labels_are_left_out_for_each_target() -> None:
    rng = np.random.default_rng(0)
    targets = [
        Target("mood", label_names=("bad", "good")),
        Target("emotions", "multi_label_classification", ("joy", "anger", "always")),
        Target("strength", "regression", (), mean=3.0, sd=2.0),
        Target("grade", "ordinal", ("low", "middle", "high")),
    ]
    splits = {}
    for number, name in enumerate(("train", "validation", "test")):
        x = rng.normal(size=(90, 3)).astype(np.float32)
        mood, emotions = x[:, :1] > 0, x[:, 1:3] > 0
        labels = np.concatenate(
            [mood, emotions, np.ones((90, 1)), 3 + 2 * x[:, :1], np.digitize(x[:, 2:], [-0.5, 0.5])], axis=1
        ).astype(float)
        if name == "train":
            labels[:20, 0], labels[10:30, 1:4], labels[30:40, 4], labels[40:50, 5] = (np.nan,) * 4
        splits[name] = YardstickSplit(labels, image_features=x + number * 0)
    data = YardstickData(splits, targets)
    found = PooledImage().outputs(data)
    assert found.logits["test"].shape == (90, 2 + 3 + 1 + 2)
    assert found.settings.keys() == {"mood", "emotions", "strength", "grade"}
    labels, logits = splits["test"].labels, found.logits["test"]
    assert (targets[0].kind.values(logits[:, :2]) == labels[:, :1]).mean() > 0.95
    assert (targets[1].kind.values(logits[:, 2:5]) == labels[:, 1:4]).mean() > 0.95
    assert (targets[3].kind.values(logits[:, 6:]) == labels[:, 5:]).mean() > 0.8
    present = ~np.isnan(splits["train"].labels[:, 4])
    ridge = Ridge(alpha=found.settings["strength"]["alpha"])
    ridge.fit(data.block("image")["train"][present], splits["train"].labels[present, 4])
    expected = ridge.predict(data.block("image")["test"])
    np.testing.assert_allclose(targets[2].kind.values(logits[:, 5:6])[:, 0], expected, rtol=1e-4)
    linear = outputs_of(found.linear, data)
    np.testing.assert_allclose(softmax(linear[:, :2]), softmax(logits[:, :2]), atol=1e-5)
    np.testing.assert_allclose(sigmoid(linear[:, 2:5]), sigmoid(logits[:, 2:5]), atol=1e-5)
    np.testing.assert_allclose(linear[:, 5], logits[:, 5], atol=1e-5)
    # Log-odds of conditional probabilities are not linear.
    assert (linear[:, 6:] == 0).all()


def outputs_of(linear: LinearMap | None, data: YardstickData) -> np.ndarray:
    assert linear is not None
    return linear.bias + sum(data.block(name)["test"] @ weights for name, weights in linear.weights.items())


@pytest.mark.parametrize("name", YARDSTICKS.names())
def test_the_linear_map_has_the_probabilities_of_the_yardstick(name: str, data: YardstickData) -> None:
    found = YARDSTICKS.get(name)().outputs(data)
    linear = np.broadcast_to(outputs_of(found.linear, data), (50, 2))
    np.testing.assert_allclose(softmax(linear), np.exp(found.logits["test"]), atol=1e-5)


def test_given_terms_and_scales_are_used(data: YardstickData) -> None:
    terms, scale = Terms.fit(["a great day", "great day"]), Scale(np.full(6, 3.0), np.full(6, 4.0))
    given = replace(data, terms=terms, scales={"image": scale})
    assert given.block("terms")["test"].shape == (50, len(terms))
    np.testing.assert_allclose(given.block("image")["test"], (data.splits["test"].image_features - 3) / 4, rtol=1e-6)
    assert given.block("text")["train"].tolist() == data.block("text")["train"].tolist()


def test_a_class_without_a_training_post_is_never_predicted() -> None:
    x = np.random.default_rng(1).normal(size=(30, 2)).astype(np.float32)
    labels = np.where(x[:, :1] > 0, 2.0, 0.0)
    splits = {name: YardstickSplit(labels, image_features=x) for name in ("train", "validation")}
    found = PooledImage().outputs(YardstickData(splits, [Target("label", label_names=("a", "b", "c"))]))
    assert set(found.logits["validation"].argmax(axis=1)) == {0, 2}
