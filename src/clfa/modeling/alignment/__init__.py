"""Registry of alignment losses. A new variant is one new file here and one line in :data:`ALIGNMENTS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.lazy import lazy_names
from clfa.registry import Registry

if TYPE_CHECKING:
    from clfa.modeling.alignment.bank import GuideBank as GuideBank
    from clfa.modeling.alignment.base import Alignment as Alignment
    from clfa.modeling.alignment.base import AlignmentInputs as AlignmentInputs
    from clfa.modeling.alignment.contrastive import GuidedContrastiveLoss as GuidedContrastiveLoss

ALIGNMENTS = Registry(
    "alignment",
    {
        "guided": "clfa.modeling.alignment.guided:GuidedAlignment",
        "cross_guided": "clfa.modeling.alignment.cross_guided:CrossGuidedAlignment",
        "guided_and_cross": "clfa.modeling.alignment.guided_and_cross:GuidedAndCrossAlignment",
        "students": "clfa.modeling.alignment.students:StudentsAlignment",
        "both": "clfa.modeling.alignment.both:BothAlignment",
    },
    base="clfa.modeling.alignment.base:Alignment",
)

_MODULES = {"Alignment": "base", "AlignmentInputs": "base", "GuideBank": "bank", "GuidedContrastiveLoss": "contrastive"}

__all__ = ["ALIGNMENTS", *_MODULES]


__getattr__ = lazy_names(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()})
