"""Names of version 0.1 that have moved; removed in 0.3."""

from clfa.lazy import lazy_names

__getattr__ = lazy_names(__name__, {}, {"FrozenEncoder": "clfa.modeling.frozen_encoder"})
