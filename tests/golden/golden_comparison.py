"""Comparing nested results whose numbers may differ a little."""

from __future__ import annotations

from typing import Any

import pytest


def assert_like(found: Any, expected: Any, *, tolerance: float, more_keys: bool = False) -> None:
    """Nested results are equal, numbers nearly; the wording of an ``error`` is free.

    Args:
        found: By the present code.
        expected: By the old one.
        tolerance: Of numbers, absolute.
        more_keys: Whether mappings may have further keys.
    """

    def compare(found: Any, expected: Any, where: str) -> None:
        if isinstance(expected, dict):
            assert isinstance(found, dict), where
            gone = expected.keys() - found.keys()
            new = set() if more_keys else found.keys() - expected.keys()
            assert not gone | new, f"{where}: without {sorted(gone)}, with {sorted(new)}"
            for key, value in expected.items():
                compare(found[key], value, f"{where}.{key}")
        elif isinstance(expected, list):
            assert isinstance(found, list), where
            assert len(found) == len(expected), where
            for index, value in enumerate(expected):
                compare(found[index], value, f"{where}.{index}")
        elif isinstance(expected, float):
            assert found == pytest.approx(expected, abs=tolerance, rel=0), where
        elif where.endswith(".error"):
            assert bool(found) == bool(expected), where
        else:
            assert found == expected, where

    compare(found, expected, "")
