"""Registry of guides (frozen teachers). A new guide is one new file here and one line in :data:`GUIDES`."""

from clfa.guides.base import Guide, GuideContext
from clfa.guides.retrieval import RetrievalReport, retrieval_report
from clfa.registry import Registry

GUIDES = Registry(
    "guide",
    {
        "clip": "clfa.guides.clip:CLIPGuide",
        "fitted": "clfa.guides.fitted:FittedGuide",
        "conse": "clfa.guides.conse:ConSEGuide",
    },
)

__all__ = ["GUIDES", "Guide", "GuideContext", "RetrievalReport", "retrieval_report"]
