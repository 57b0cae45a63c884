"""CLFA models and their parts. The public names are imported on first use: names of parts are known without PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.lazy import lazy_names

if TYPE_CHECKING:
    from clfa.modeling.alignment.contrastive import GuidedContrastiveLoss as GuidedContrastiveLoss
    from clfa.modeling.classification import CLFAForClassification as CLFAForClassification
    from clfa.modeling.configuration import CLFAConfig as CLFAConfig
    from clfa.modeling.model import CLFAModel as CLFAModel
    from clfa.modeling.outputs import CLFAClassifierOutput as CLFAClassifierOutput
    from clfa.modeling.outputs import CLFAModelOutput as CLFAModelOutput

_MODULES = {
    "CLFAClassifierOutput": "outputs",
    "CLFAConfig": "configuration",
    "CLFAForClassification": "classification",
    "CLFAModel": "model",
    "CLFAModelOutput": "outputs",
    "GuidedContrastiveLoss": "alignment.contrastive",
}

__all__ = list(_MODULES)


__getattr__ = lazy_names(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()})
