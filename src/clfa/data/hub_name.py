"""Whether the reader ``hub`` is given a folder here or the name of a data set: decided before the network is asked."""

from __future__ import annotations

import os
from pathlib import Path

from clfa.data.layout import IMAGE_SUFFIXES, layout_error
from clfa.errors import DataError, ModelError
from clfa.hub import has_form_of_path, is_data_cached, lies_here, require_data_on_hub
from clfa.nearest import close_name, path_hint
from clfa.tables.compression import COMPRESSIONS
from clfa.tables.formats import known_suffixes

_SUFFIXES = (*known_suffixes(), *sorted(IMAGE_SUFFIXES), *COMPRESSIONS, ".zip", ".tar", ".tgz", ".txt")


def is_local(name: str, cache: str | None = None) -> bool:
    """Return whether a name is that of a folder or file here: it exists, has the form of one, or lies in a folder here.

    Args:
        name: A path, or the name of a data set on the hub.
        cache: Cache directory of ``datasets``, if it is not the usual one.
    """
    suffix = os.path.splitext(name)[1].lower()
    # A misspelt suffix is one, too. Names on the hub have those of versions, as `MMSD2.0`.
    if has_form_of_path(name) or close_name(suffix, _SUFFIXES) is not None:
        return True
    return lies_here(name) and not is_data_cached(name, cache)


def require_folder(name: str) -> None:
    """Check that a local folder exists.

    Raises:
        DataError: If it does not; the message has the closest path.
    """
    if not Path(name).is_dir():
        raise layout_error("hub", Path(name), "a name on the hub or a folder of Parquet files in its layout")


def require_hub_data(name: str, cache: str | None = None) -> None:
    """Check within seconds that a data set is on the hub or in a cache.

    Args:
        name: The name of a data set on the hub.
        cache: Cache directory of ``datasets``, if it is not the usual one.

    Raises:
        DataError: If it is not, or the hub cannot be asked.
    """
    try:
        require_data_on_hub(name, cache)
    except ModelError as error:
        advice = " Without a network, download it on another machine and pass the folder."
        raise DataError(f"{name}: cannot be loaded: ", *error.args, advice, path_hint(name)) from error
