"""Whether a model or data set is on the hub or in its cache: an answer within seconds, also without a network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from clfa.errors import ModelError
from clfa.nearest import path_hint

# Transformers waits for half a minute, in several attempts, where there is no network.
_SECONDS = 5.0


def is_cached(name: str, files: Sequence[str]) -> bool:
    """Return whether the hub's cache has one of the files of a model.

    Args:
        name: Hub id.
        files: Names of files, of which every model has one.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return any(isinstance(try_to_load_from_cache(name, file), str) for file in files)
    except HFValidationError:
        return False


def is_data_cached(name: str, cache: str | None = None) -> bool:
    """Return whether a data set was downloaded or prepared before.

    Args:
        name: Hub id of the data set.
        cache: Cache directory of ``datasets``, if it is not the usual one.
    """
    from huggingface_hub import constants

    downloaded = Path(constants.HF_HUB_CACHE, f"datasets--{name.replace('/', '--')}")
    # Without the import of `datasets`, which takes a second.
    folder = cache or os.environ.get("HF_DATASETS_CACHE") or os.path.join(constants.HF_HOME, "datasets")
    # Prepared data sets have names in lower case in newer releases.
    prepared = [Path(folder, form.replace("/", "___")) for form in (name, name.lower())]
    return any(os.path.isdir(place) for place in (downloaded, *prepared))


def has_form_of_path(name: str) -> bool:
    """Return whether a name is that of a file or directory here, or can be nothing else.

    Args:
        name: A path or a hub id.
    """
    path = Path(name)
    if path.exists() or path.is_absolute() or name.startswith((".", "~")):
        return True
    return "\\" in name or name.endswith("/") or name.count("/") > 1


def lies_here(name: str) -> bool:
    """Return whether a name with a slash is that of something in a folder here, perhaps with a misspelt folder.

    A hub id may be so, too, which is for the caller to decide.

    Args:
        name: A path or a hub id.
    """
    if "/" not in name:
        return False
    return Path(name.partition("/")[0]).is_dir() or path_hint(name).startswith(" Did you mean")


def require_on_hub(name: str, files: Sequence[str]) -> None:
    """Check that the hub or its cache has a model.

    Args:
        name: Hub id.
        files: Names of files, of which every model has one.

    Raises:
        ModelError: If it has not, or cannot be asked; the message says what was tried.
    """
    if not is_cached(name, files):
        _ask(name, files[0], "model")


def require_data_on_hub(name: str, cache: str | None = None) -> None:
    """Check that the hub or a cache has a data set.

    Args:
        name: Hub id of the data set.
        cache: See :func:`is_data_cached`.

    Raises:
        ModelError: If it has not, or cannot be asked; the message says what was tried.
    """
    if not is_data_cached(name, cache):
        _ask(name, "README.md", "dataset")


def _ask(name: str, file: str, kind: str) -> None:
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    what = "data set" if kind == "dataset" else kind
    nowhere = f"there is no folder {name!r} here, and no {what} of this name in the hub's cache"
    if constants.HF_HUB_OFFLINE:
        raise ModelError(f"{nowhere}; HF_HUB_OFFLINE is set, so that the hub is not asked.")
    try:
        get_hf_file_metadata(hf_hub_url(name, file, repo_type=kind), timeout=_SECONDS)
    except (EntryNotFoundError, GatedRepoError):
        # It is there; what is missing or needs a login is reported where it is loaded.
        return
    except RepositoryNotFoundError:
        raise ModelError(f"{nowhere}, nor on the hub ({constants.ENDPOINT}); a private one needs a login.") from None
    except HFValidationError:
        raise ModelError(f"there is no folder {name!r} here, and it cannot be a hub id.") from None
    except HfHubHTTPError as error:
        raise ModelError(f"{nowhere}; the hub ({constants.ENDPOINT}) answered: {error}.") from error
    except OfflineModeIsEnabled:
        raise ModelError(f"{nowhere}; the hub is not asked in offline mode.") from None
    except Exception as error:  # The exceptions of the HTTP client, which differ between releases of the hub's client.
        reason = f"{type(error).__name__}: {error}".rstrip(". ")
        raise ModelError(f"{nowhere}; the hub ({constants.ENDPOINT}) cannot be reached ({reason}).") from error
