from __future__ import annotations

import math

import pytest

from clfa.lazy import lazy_names


def test_names_are_those_of_their_modules() -> None:
    assert lazy_names("numbers", {"pi": "math"})("pi") is math.pi


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'numbers' has no attribute 'tau'"):
        lazy_names("numbers", {"pi": "math"})("tau")
