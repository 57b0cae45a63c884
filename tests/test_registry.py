from __future__ import annotations

import math

import pytest

from clfa.errors import RecipeError
from clfa.registry import Registry

NUMBERS = Registry("number", {"pi": "math:pi", "euler": "math:e", "broken": "clfa.no_such_module:x"})


def test_get_imports_the_object() -> None:
    assert NUMBERS.get("pi") == math.pi
    assert NUMBERS.names() == ["pi", "euler", "broken"]
    assert "pi" in NUMBERS
    assert "tau" not in NUMBERS


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    with pytest.raises(ModuleNotFoundError):
        NUMBERS.get("broken")


def test_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"unknown number 'eulr'; known: pi, euler, broken\. Did you mean 'euler'\?"):
        NUMBERS.get("eulr")
    with pytest.raises(RecipeError, match=r"known: pi, euler, broken\.$"):
        NUMBERS.get("zzz")
