"""Registry of alignment losses. A new variant is one new file here and one line in :data:`ALIGNMENTS`."""

from clfa.modeling.alignment.bank import GuideBank
from clfa.modeling.alignment.base import Alignment, AlignmentInputs
from clfa.modeling.alignment.contrastive import GuidedContrastiveLoss
from clfa.registry import Registry

ALIGNMENTS = Registry(
    "alignment",
    {
        "guided": "clfa.modeling.alignment.guided:GuidedAlignment",
        "cross_guided": "clfa.modeling.alignment.cross_guided:CrossGuidedAlignment",
        "guided_and_cross": "clfa.modeling.alignment.guided_and_cross:GuidedAndCrossAlignment",
        "students": "clfa.modeling.alignment.students:StudentsAlignment",
        "both": "clfa.modeling.alignment.both:BothAlignment",
    },
)

__all__ = ["ALIGNMENTS", "Alignment", "AlignmentInputs", "GuideBank", "GuidedContrastiveLoss"]
