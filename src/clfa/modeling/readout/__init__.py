"""Registry of readouts (what the classifier reads). A new one is one new file here and one line in :data:`READOUTS`."""

from clfa.modeling.readout.base import AlignedPair, Readout
from clfa.registry import Registry

READOUTS = Registry(
    "readout",
    {
        "pooled": "clfa.modeling.readout.pooled:PooledReadout",
        "relation": "clfa.modeling.readout.relation:RelationReadout",
    },
)

__all__ = ["READOUTS", "AlignedPair", "Readout"]
