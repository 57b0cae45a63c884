"""Registry of readouts (how logits are read from a model). A new one is one file here and one line in READOUTS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.lazy import lazy_names
from clfa.registry import Registry

if TYPE_CHECKING:
    from clfa.modeling.readout.base import Readout as Readout
    from clfa.modeling.readout.base import Student as Student

READOUTS = Registry(
    "readout",
    {
        "pooled": "clfa.modeling.readout.pooled:PooledReadout",
        "relation": "clfa.modeling.readout.relation:RelationReadout",
    },
    base="clfa.modeling.readout.base:Readout",
)

_MODULES = {"Readout": "base", "Student": "base"}

__all__ = ["READOUTS", *_MODULES]


__getattr__ = lazy_names(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()})
