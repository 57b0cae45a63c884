"""Data sets in one schema: readers, images, validation, splits.

The public names are imported on first use, so that ``import clfa.data`` is fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.lazy import lazy_names

if TYPE_CHECKING:
    from clfa.data.images import image_key as image_key
    from clfa.data.images import load_image as load_image
    from clfa.data.readers import READERS as READERS
    from clfa.data.readers import read_corpus as read_corpus
    from clfa.data.schema import Corpus as Corpus
    from clfa.data.schema import Dropped as Dropped
    from clfa.data.splits import subset as subset
    from clfa.data.validation import check_classes as check_classes
    from clfa.data.validation import validate as validate

_MODULES = {
    "Corpus": "schema",
    "Dropped": "schema",
    "READERS": "readers",
    "check_classes": "validation",
    "image_key": "images",
    "load_image": "images",
    "read_corpus": "readers",
    "subset": "splits",
    "validate": "validation",
}

__all__ = list(_MODULES)


__getattr__ = lazy_names(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()})
