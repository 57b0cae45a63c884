"""How modalities are aggregated. A new fusion is one new file here and one line in :data:`FUSIONS`."""

from clfa.modeling.fusion.base import Fusion, Stream, stream_names
from clfa.registry import Registry

FUSIONS = Registry(
    "fusion",
    {
        "cross_attention": "clfa.modeling.fusion.cross_attention:CrossAttentionFusion",
    },
)

__all__ = ["FUSIONS", "Fusion", "Stream", "stream_names"]
