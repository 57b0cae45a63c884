"""YAML of users: a value, or one kind of error."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clfa.errors import RecipeError
from clfa.recipe import load_recipe
from clfa.yaml_text import parse_yaml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "'a' occurs twice"),
        ("{[1]: 2}", "unhashable key"),
        ("2024-13-45", "a value that does not exist: month must be in 1..12"),
        ("!!int x", "a value that does not exist"),
        ("!!python/name:os.system", "could not determine a constructor"),
        ("[" * 3000, "lies in too many others"),
        ("a: [", "expected the node content"),
    ],
)
def test_what_is_wrong_is_one_kind_of_error(text: str, message: str) -> None:
    with pytest.raises(yaml.YAMLError, match=message):
        parse_yaml(text)


@given(st.text(alphabet="[]{}:,-?!&*#|>'\"%@` \n01a.<=~", max_size=25))
def test_any_text_is_a_value_or_that_error(text: str) -> None:
    try:
        value: Any = parse_yaml(text)
    except yaml.YAMLError:
        return
    assert value is None or isinstance(value, (str, int, float, list, dict, set, bytes)) or hasattr(value, "isoformat")


@pytest.mark.parametrize("value", ["&a [*a]", "{a: &b {c: *b}}"])
def test_a_value_in_a_recipe_does_not_contain_itself(value: str) -> None:
    with pytest.raises(RecipeError, match="a value contains itself"):
        load_recipe("offline", [f"data.options.x={value}"])
