"""``CLFAPredictor``: training, prediction and evaluation on tables."""

from clfa.predictor.predictor import PRESETS, CLFAPredictor

__all__ = ["PRESETS", "CLFAPredictor"]
