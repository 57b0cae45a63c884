"""clfa: what people mean when they post a picture with a text.

CLFA (CLIP-guided contrastive feature alignment, arXiv:2403.06355) as a library. Names are imported when first used, so
that ``import clfa`` and ``clfa --help`` stay quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from clfa.version import __version__

if TYPE_CHECKING:
    from clfa.modeling import CLFAConfig, CLFAForClassification, CLFAModel
    from clfa.prediction.post import Post, Prediction
    from clfa.predictor import CLFAPredictor
    from clfa.processing.processor import CLFAProcessor
    from clfa.recipe import Recipe, load_recipe
    from clfa.runs.evaluate import evaluate
    from clfa.runs.train import train
    from clfa.training import CLFATrainer, CLFATrainingArguments

_HOMES = {
    "CLFAConfig": "clfa.modeling",
    "CLFAForClassification": "clfa.modeling",
    "CLFAModel": "clfa.modeling",
    "CLFAPredictor": "clfa.predictor",
    "CLFAProcessor": "clfa.processing.processor",
    "CLFATrainer": "clfa.training",
    "CLFATrainingArguments": "clfa.training",
    "Post": "clfa.prediction.post",
    "Prediction": "clfa.prediction.post",
    "Recipe": "clfa.recipe",
    "evaluate": "clfa.runs.evaluate",
    "load_recipe": "clfa.recipe",
    "train": "clfa.runs.train",
}

__all__ = [
    "CLFAConfig",
    "CLFAForClassification",
    "CLFAModel",
    "CLFAPredictor",
    "CLFAProcessor",
    "CLFATrainer",
    "CLFATrainingArguments",
    "Post",
    "Prediction",
    "Recipe",
    "__version__",
    "evaluate",
    "load_recipe",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'clfa' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
