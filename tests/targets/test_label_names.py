from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    with pytest.raises(DataError, match=r"or the classes with label_names=\.\.\."):
        LabelIndex([None, ""])
    with pytest.raises(DataError, match="1,001 different values, for instance '0'; it is probably the wrong column"):
        LabelIndex(range(1001))


def test_a_stray_quote_makes_no_class() -> None:
    """A small file of a split has no other row to tell; the other files have."""
    labels = LabelIndex(["joy", "fear", '"joy', 'fear"', '"odd', '"both"', '5"', "5"])
    assert labels.names == ["5", '"both"', '"odd', '5"', "fear", "joy"]
    assert [labels.of(cell) for cell in ('"joy', 'fear"', '"odd', '5"', '"fear')] == [5, 4, 2, 3, 4]
    with pytest.raises(KeyError):
        labels.of('"joy"')


@given(st.lists(st.integers(-3, 9).map(str), min_size=2, max_size=5, unique=True), st.integers(-5, 12))
def test_a_number_is_no_index_of_classes_that_are_numbers(names: list[str], value: int) -> None:
    labels = LabelIndex([], names)
    for form in (value, str(value), float(value), f" {value}.0", np.int8(value), Decimal(value)):
        if str(value) in names:
            assert labels.of(form) == names.index(str(value))
        else:
            with pytest.raises(KeyError):
                labels.of(form)


EDGES = ["", " ", "\u200b", "\ufeff", "\u00a0", "\u2060 ", "\u200e", "\t"]


@pytest.mark.parametrize("before", EDGES)
@pytest.mark.parametrize("name", ["joy", "caf\xe9", "cafe\u0301", "\u1100\u1161"])
def test_what_is_not_seen_makes_no_class(before: str, name: str) -> None:
    others = {"caf\xe9": "cafe\u0301", "cafe\u0301": "caf\xe9", "\u1100\u1161": "\uac00"}
    forms = [f"{before}{text}{after}" for text in (name, others.get(name, name)) for after in EDGES]
    for found in (LabelIndex([*forms, "other"]), LabelIndex(["other", *forms[::-1]]), LabelIndex([], [name, "other"])):
        assert len(found.names) == 2
        assert {found.of(form) for form in forms} == {1 - found.of("other")}  # type: ignore[operator]
    # The form of the data is kept, where it has one only.
    assert LabelIndex([name, "other"]).names == sorted([name, "other"])


def test_another_spelling_of_classes_that_differ_in_case_is_none_of_them() -> None:
    labels = LabelIndex(["US", "us", "eu"])
    assert [labels.of(value) for value in ("US", "us", "EU", "eu")] == [0, 2, 1, 1]
    with pytest.raises(KeyError, match="Us"):
        labels.of("Us")


ONES: list[Any] = [1, 1.0, "1", "1.0", np.int64(1), np.float32(1), np.uint8(1), Decimal("1.00"), " 1 "]


@pytest.mark.parametrize(("one", "other"), itertools.combinations(ONES, 2))
def test_equal_numbers_are_one_class_of_the_type_that_all_have(one: Any, other: Any) -> None:
    found = LabelIndex([one, other, 0])
    assert found.names == ["0", "1"]
    numbers = not isinstance(one, str) and not isinstance(other, str)
    assert found.types == ("int", "int" if numbers else "str")
