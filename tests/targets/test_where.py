from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset

from clfa.data.schema import schema_features
from clfa.errors import RecipeError
from clfa.targets.default_label import default_label
from clfa.targets.target import Target
from clfa.targets.where import Where

NAN = float("nan")
ONE = [default_label(["mismatch", "match", "un, clear"])]
SEVERAL = [
    Target("sarcasm", label_names=("no", "yes")),
    Target("emotions", "multi_label_classification", label_names=("anger", "joy", "fear")),
    Target("intensity", "regression"),
]


def split(rows: list[Any], targets: list[Target]) -> Dataset:
    features = schema_features(targets)
    columns = {"id": [str(n) for n in range(len(rows))], "text": ["a"] * len(rows), "targets": rows}
    columns |= {"image": [None] * len(rows), "knowledge": [None] * len(rows)}
    return Dataset.from_dict({name: columns[name] for name in features}, features=features)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("label=match", [False, True, False, False]),
        ("label = MATCH ", [False, True, False, False]),
        ("label!=match", [True, False, True, False]),
        ("label=match,mismatch", [True, True, False, False]),
        ("label!=match, mismatch", [False, False, True, False]),
        ("label=un, clear", [False, False, True, False]),
    ],
)
def test_the_default_label(condition: str, expected: list[bool]) -> None:
    rows = split([[0.0], [1.0], [2.0], None], ONE)
    assert Where.parse(condition).matches(rows, ONE).tolist() == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("sarcasm=yes", [True, False, False]),
        ("sarcasm!=yes", [False, True, False]),
        ("emotions=joy", [True, False, False]),
        ("emotions=joy,fear", [True, False, True]),
        ("emotions!=joy", [False, False, True]),
    ],
)
def test_named_targets_and_missing_labels(condition: str, expected: list[bool]) -> None:
    rows = split([[1, 1, 1, 0, 0.5], [0, NAN, NAN, NAN, 1], [NAN, 0, 0, 1, NAN]], SEVERAL)
    assert Where.parse(condition).matches(rows, SEVERAL).tolist() == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("match", "guide.where is 'match'; it needs a target and a class, for instance label=match or label!=mismatch"),
        ("label= ", "guide.where is 'label= '; it needs a target and a class"),
        ("sarkasm=yes", "there is no target 'sarkasm'; targets: sarcasm, emotions, intensity."),
        ("intensity=1", "target 'intensity' is a number; only classes can be selected."),
        ("emotions=joy,hate", "guide.where: there is no class 'hate'; classes: anger, joy, fear."),
    ],
)
def test_refused_conditions(condition: str, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        Where.parse(condition).matches(split([[1, 1, 1, 0, 0.5]], SEVERAL), SEVERAL)
    assert message in str(error.value)
    with pytest.raises(RecipeError) as error:
        Where.parse(condition, "training.alignment_where").matches(split([[1, 1, 1, 0, 0.5]], SEVERAL), SEVERAL)
    assert message.replace("guide.where", "training.alignment_where") in str(error.value)
