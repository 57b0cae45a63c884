"""Registry of readers: one file per data set layout.

A new reader is a module with ``read(data_dir, **options) -> Corpus`` and one line in :data:`READERS`.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clfa.errors import DataError, RecipeError
from clfa.nearest import did_you_mean, path_hint
from clfa.registry import Registry
from clfa.tables.access import Access, current_reading, reading
from clfa.tables.gate import table_folders
from clfa.tables.paths import folder_of, is_address

if TYPE_CHECKING:
    from clfa.data.schema import Corpus

READERS = Registry(
    "reader",
    {
        "mvsa-single": "clfa.data.readers.mvsa:read_single",
        "mvsa-multiple": "clfa.data.readers.mvsa:read_multiple",
        "mvsa-match": "clfa.data.readers.mvsa_match:read",
        "mmsd": "clfa.data.readers.mmsd:read",
        "mmsd2": "clfa.data.readers.mmsd2:read",
        "flickr8k-match": "clfa.data.readers.flickr8k_match:read",
        "harmeme": "clfa.data.readers.harmeme:read",
        "harmeme-politics": "clfa.data.readers.harmeme:read_politics",
        "hateful-memes": "clfa.data.readers.hateful_memes:read",
        "memotion": "clfa.data.readers.memotion:read",
        "multioff": "clfa.data.readers.multioff:read",
        "mami": "clfa.data.readers.mami:read",
        "multibully": "clfa.data.readers.multibully:read",
        "twitter-2015": "clfa.data.readers.twitter_target:read_2015",
        "twitter-2017": "clfa.data.readers.twitter_target:read_2017",
        "crisismmd-informative": "clfa.data.readers.crisismmd:read_informative",
        "crisismmd-humanitarian": "clfa.data.readers.crisismmd:read_humanitarian",
        "weibo-rumours": "clfa.data.readers.weibo_rumours:read",
        "hub": "clfa.data.readers.hub:read",
        "table": "clfa.data.readers.table:read",
        "image-folder": "clfa.data.readers.image_folder:read",
    },
)


def check_source(name: str, data_dir: str | os.PathLike[str], options: Mapping[str, Any] | None = None) -> None:
    """Check within a second that a reader is known and that a table, or a local folder of the hub reader, exists.

    Args:
        name: Name of a reader.
        data_dir: Place of the data.
        options: Options of the reader, whose columns a local table must have.

    Raises:
        RecipeError: If the reader is unknown.
        DataError: If it does not exist, or lacks a column.
    """
    READERS.require(name)
    place = os.path.expanduser(os.fspath(data_dir))
    if name == "hub":
        from clfa.data.hub_name import is_local, require_folder

        if is_local(place):
            require_folder(place)
    # Other readers say what they expect.
    if name == "table" and not is_address(place) and not os.path.exists(place):
        raise DataError(f"{place}: no such file or directory.{path_hint(place)}")
    if name == "table" and options and not is_address(place) and os.path.isfile(place):
        from clfa.data.named_columns import check_columns

        check_columns(place, options)


def read_corpus(
    name: str,
    data_dir: str | os.PathLike[str] | Any,
    /,
    *,
    access: Access | None = None,
    required: Sequence[str] | None = None,
    **options: Any,
) -> Corpus:
    """Read a data set.

    Args:
        name: One of ``READERS.names()``.
        data_dir: Directory of the data; for ``table`` a file, folder, mapping of splits, data frame or
            ``datasets.Dataset``; for ``hub`` a name on the hub or a folder. ``~`` is the home directory.
        access: What rows may open beyond the pictures in their folder; by default nothing, or what a reader that calls
            this one may.
        required: Fields (``text``) that each table must have a column of, because a model reads them; by default, a
            text or an image column suffices.
        options: Options of the reader; see its ``read`` function.

    Raises:
        RecipeError: If the reader or an option is unknown.
        DataError: If the data do not have the expected layout.
    """
    read = READERS.get(name)
    known = [parameter for parameter in inspect.signature(read).parameters if parameter != "data_dir"]
    unknown = sorted(set(options) - set(known))
    if unknown:
        hint = did_you_mean(unknown[0], known)
        raise RecipeError(f"the {name} reader has no option {unknown[0]!r}; it takes: {', '.join(known)}.{hint}")
    if isinstance(data_dir, (str, os.PathLike)):
        data_dir = os.path.expanduser(os.fspath(data_dir))
    outer = current_reading()
    needed = outer.required if required is None else required
    with reading(access or outer.access, (*outer.folders, *_data_folder(data_dir)), needed):
        found = read(data_dir, **options)
    from clfa.data.schema import Corpus

    if not isinstance(found, Corpus):
        shown = "None" if found is None else f"a {type(found).__name__}"
        raise RecipeError(f"the {name} reader returned {shown}; a reader has to return a clfa.Corpus.")
    return found


def _data_folder(data_dir: Any) -> tuple[str, ...]:
    """Return the local folder of the data, if there is one."""
    if not isinstance(data_dir, str) or is_address(data_dir) or not os.path.exists(data_dir):
        return ()
    return table_folders(data_dir if os.path.isdir(data_dir) else folder_of(data_dir))
