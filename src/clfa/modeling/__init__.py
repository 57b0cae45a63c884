"""CLFA models and their parts."""

from clfa.modeling.alignment.contrastive import GuidedContrastiveLoss
from clfa.modeling.classification import CLFAForClassification
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.model import CLFAModel
from clfa.modeling.outputs import CLFAClassifierOutput, CLFAModelOutput

__all__ = [
    "CLFAClassifierOutput",
    "CLFAConfig",
    "CLFAForClassification",
    "CLFAModel",
    "CLFAModelOutput",
    "GuidedContrastiveLoss",
]
