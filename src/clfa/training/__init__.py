"""Training: arguments, trainer and the run that a recipe describes."""

from clfa.training.arguments import CLFATrainingArguments
from clfa.training.trainer import CLFATrainer

__all__ = ["CLFATrainer", "CLFATrainingArguments"]
