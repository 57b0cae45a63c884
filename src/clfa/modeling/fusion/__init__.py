"""Registry of fusions. A new fusion is one new file here and one line in :data:`FUSIONS`."""

from clfa.modeling.fusion.base import Fusion, Stream, stream_names
from clfa.registry import Registry

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
)

__all__ = ["FUSIONS", "Fusion", "Stream", "stream_names"]
