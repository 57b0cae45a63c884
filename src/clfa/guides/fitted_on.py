"""Record of the texts and images that a saved guide was fitted on, to recognise held-out data among them."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from clfa.errors import ModelError
from clfa.files import save_tensors
from clfa.store import KEY_BYTES

_FILE = "fitted-on.safetensors"


def write_fitted_on(directory: Path, keys: bytes) -> None:
    """Write the content keys of all texts and images beside a guide.

    Args:
        directory: The guide's folder.
        keys: The 16-byte keys, one after the other; each may occur several times.
    """
    distinct = np.unique(np.frombuffer(keys, np.uint8).reshape(-1, KEY_BYTES), axis=0)
    save_tensors(directory / _FILE, {"keys": distinct})


def count_fitted_on(directory: Path, keys: Container[bytes]) -> int:
    """Return how many of ``keys`` a saved guide was fitted on; 0 for a guide without a record.

    Args:
        directory: The guide's folder.
        keys: Content keys of texts and images.

    Raises:
        ModelError: If the record is damaged.
    """
    path = directory / _FILE
    if not path.is_file():
        return 0
    try:
        rows = load(path.read_bytes())["keys"]
    except (SafetensorError, KeyError) as error:
        raise ModelError(f"{path} is damaged ({error}); fit the guide again, or copy its folder again.") from error
    return sum(row.tobytes() in keys for row in rows)
