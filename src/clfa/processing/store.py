"""The feature cache under the name that features know it by; it lives in :mod:`clfa.store`."""

from clfa.store import KEY_BYTES, FeatureStore, text_key

__all__ = ["KEY_BYTES", "FeatureStore", "text_key"]
