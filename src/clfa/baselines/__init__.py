"""Models to compare with, in the place of projections and fusion. A new one is one new file and one line here."""

from clfa.registry import Registry

BASELINES = Registry(
    "baseline",
    {
        "pooled_concat": "clfa.baselines.pooled_concat:PooledConcat",
    },
)

__all__ = ["BASELINES"]
