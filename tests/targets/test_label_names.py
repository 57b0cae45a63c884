from __future__ import annotations

import pytest

from clfa.errors import DataError
from clfa.targets.label_names import LabelIndex


def test_names_are_sorted_values() -> None:
    labels = LabelIndex(["b", "a", None, "", "b", float("nan")])
    assert labels.names == ["a", "b"]
    assert [labels.of(value) for value in ("b", "A", " a ", None, "", float("nan"))] == [1, 0, 0, None, None, None]


def test_numbers_are_names_in_numeric_order() -> None:
    labels = LabelIndex([10, 2, -1, 2.0])
    assert labels.names == ["-1", "2", "10"]
    assert [labels.of(value) for value in (-1, 2.0, "10")] == [0, 1, 2]
    with pytest.raises(KeyError, match="0"):
        labels.of(0)


def test_given_names_take_names_and_indices() -> None:
    labels = LabelIndex([], ["not_sarcastic", "sarcastic"])
    assert [labels.of(value) for value in ("sarcastic", 0, "1", 1.0)] == [1, 0, 1, 1]
    for unknown in ("irony", 2, -1, "0.5"):
        with pytest.raises(KeyError):
            labels.of(unknown)


def test_class_labels_are_indices_and_minus_one_is_none() -> None:
    labels = LabelIndex([], None, ["no", "yes"])
    assert labels.names == ["no", "yes"]
    assert [labels.of(value) for value in (0, 1, -1)] == [0, 1, None]
    with pytest.raises(KeyError):
        labels.of(5)


def test_given_names_reorder_or_rename_class_labels() -> None:
    assert LabelIndex([], ["yes", "no"], ["no", "yes"]).of(0) == 1
    assert LabelIndex([], ["not_sarcastic", "sarcastic"], ["0", "1"]).of(1) == 1
    assert LabelIndex([], ["plain", "odd"], ["no", "yes"]).of(1) == 1


def test_no_labels_and_too_many() -> None:
    with pytest.raises(DataError, match="or the classes with label_names"):
        LabelIndex([None, ""])
    with pytest.raises(DataError, match="1,001 different values, for instance '0'; it is probably the wrong column"):
        LabelIndex(range(1001))
