"""Registry of poolings (tokens to one vector). A new one is one new file here and one line in :data:`POOLINGS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.lazy import lazy_names
from clfa.registry import Registry

if TYPE_CHECKING:
    from clfa.modeling.pooling.mean import masked_mean as masked_mean

POOLINGS = Registry(
    "pooling",
    {
        "mean": "clfa.modeling.pooling.mean:MeanPooling",
        "cls": "clfa.modeling.pooling.cls:ClsPooling",
        "max": "clfa.modeling.pooling.max:MaxPooling",
    },
)

_MODULES = {"masked_mean": "mean"}

__all__ = ["POOLINGS", *_MODULES]


# Names of version 0.1 that have moved; removed in 0.3.
_MOVED = {"MeanPooling": f"{__name__}.mean", "ClsPooling": f"{__name__}.cls", "MaxPooling": f"{__name__}.max"}

__getattr__ = lazy_names(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()}, _MOVED)
