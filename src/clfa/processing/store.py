"""The feature cache under the name that features know it by; it lives in :mod:`clfa.store`."""

from clfa.store import ABSENT_KEY, KEY_BYTES, FeatureStore, text_key

__all__ = ["ABSENT_KEY", "KEY_BYTES", "FeatureStore", "text_key"]
