"""The examples in docstrings."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import clfa

# Modules by the text of their files: nothing is imported before a test runs.
WITH_EXAMPLES = [
    module.name
    for module in pkgutil.walk_packages(clfa.__path__, "clfa.")
    if (spec := module.module_finder.find_spec(module.name, None)) is not None
    and spec.origin is not None
    and ">>> " in Path(spec.origin).read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0


def test_modules_with_examples_are_found() -> None:
    assert {"clfa.registry", "clfa.store", "clfa.training.process_batches"} <= set(WITH_EXAMPLES)
