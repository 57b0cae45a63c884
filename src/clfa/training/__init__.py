"""Training: training arguments, Trainer and its components. The public names are imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.lazy import lazy_names

if TYPE_CHECKING:
    from clfa.training.arguments import CLFATrainingArguments as CLFATrainingArguments
    from clfa.training.trainer import CLFATrainer as CLFATrainer

_MODULES = {"CLFATrainer": "trainer", "CLFATrainingArguments": "arguments"}

__all__ = list(_MODULES)


__getattr__ = lazy_names(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()})
