"""Registry of poolings (tokens to one vector). A new one is one new file here and one line in :data:`POOLINGS`."""

from clfa.modeling.pooling.mean import masked_mean
from clfa.registry import Registry

POOLINGS = Registry(
    "pooling",
    {
        "mean": "clfa.modeling.pooling.mean:MeanPooling",
        "cls": "clfa.modeling.pooling.cls:ClsPooling",
        "max": "clfa.modeling.pooling.max:MaxPooling",
    },
)

__all__ = ["POOLINGS", "masked_mean"]
