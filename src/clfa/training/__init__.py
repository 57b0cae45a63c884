"""Training: training arguments, Trainer and its components. The public names are imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clfa.training.arguments import CLFATrainingArguments as CLFATrainingArguments
    from clfa.training.trainer import CLFATrainer as CLFATrainer

_MODULES = {"CLFATrainer": "trainer", "CLFATrainingArguments": "arguments"}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
