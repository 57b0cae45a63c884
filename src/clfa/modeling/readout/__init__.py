"""Registry of readouts (how logits are read from a model). A new one is one file here and one line in READOUTS."""

from clfa.modeling.readout.base import Readout, Student
from clfa.registry import Registry

READOUTS = Registry(
    "readout",
    {
        "pooled": "clfa.modeling.readout.pooled:PooledReadout",
        "relation": "clfa.modeling.readout.relation:RelationReadout",
    },
)

__all__ = ["READOUTS", "Readout", "Student"]
