"""Registry of fusions. A new fusion is one new file here and one line in :data:`FUSIONS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.lazy import lazy_names
from clfa.registry import Registry

if TYPE_CHECKING:
    from clfa.modeling.fusion.base import Fusion as Fusion
    from clfa.modeling.fusion.base import Stream as Stream
    from clfa.modeling.fusion.base import stream_names as stream_names

FUSIONS = Registry(
    "fusion",
    {
        "cross_attention": "clfa.modeling.fusion.cross_attention:CrossAttentionFusion",
        "image_queries_text": "clfa.modeling.fusion.image_queries_text:ImageQueriesTextFusion",
        "two_way": "clfa.modeling.fusion.two_way:TwoWayFusion",
        "joint": "clfa.modeling.fusion.joint:JointFusion",
        "co_attention": "clfa.modeling.fusion.co_attention:CoAttentionFusion",
        "concat": "clfa.modeling.fusion.concat:ConcatFusion",
        "sum": "clfa.modeling.fusion.sum:SumFusion",
        "gated": "clfa.modeling.fusion.gated:GatedFusion",
        "bilinear": "clfa.modeling.fusion.bilinear:BilinearFusion",
        "late": "clfa.modeling.fusion.late:LateFusion",
    },
    base="clfa.modeling.fusion.base:Fusion",
)

_MODULES = {"Fusion": "base", "Stream": "base", "stream_names": "base"}

__all__ = ["FUSIONS", *_MODULES]


__getattr__ = lazy_names(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()})
