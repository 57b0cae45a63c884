"""Registry of guides (frozen teachers). A new guide is one new file here and one line in :data:`GUIDES`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.lazy import lazy_names
from clfa.registry import Registry

if TYPE_CHECKING:
    from clfa.guides.base import Guide as Guide
    from clfa.guides.base import GuideContext as GuideContext
    from clfa.guides.retrieval import RetrievalReport as RetrievalReport
    from clfa.guides.retrieval import retrieval_report as retrieval_report

GUIDES = Registry(
    "guide",
    {
        "clip": "clfa.guides.clip:CLIPGuide",
        "fitted": "clfa.guides.fitted:FittedGuide",
        "conse": "clfa.guides.conse:ConSEGuide",
    },
    base="clfa.guides.base:Guide",
)

_MODULES = {"Guide": "base", "GuideContext": "base", "RetrievalReport": "retrieval", "retrieval_report": "retrieval"}

__all__ = ["GUIDES", *_MODULES]


__getattr__ = lazy_names(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()})
