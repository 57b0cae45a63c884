"""Whether a model is on the hub or in its cache: an answer within seconds, also without a network."""

from __future__ import annotations

from collections.abc import Sequence

from clfa.errors import ModelError

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


def require_on_hub(name: str, files: Sequence[str]) -> None:
    """Check that the hub or its cache has a model.

    Args:
        name: Hub id.
        files: Names of files, of which every model has one.

    Raises:
        ModelError: If it has not, or cannot be asked; the message says what was tried.
    """
    if is_cached(name, files):
        return
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    nowhere = f"there is no folder {name!r} here, and no model of this name in the hub's cache"
    if constants.HF_HUB_OFFLINE:
        raise ModelError(f"{nowhere}; HF_HUB_OFFLINE is set, so that the hub is not asked.")
    try:
        get_hf_file_metadata(hf_hub_url(name, files[0]), timeout=_SECONDS)
    except (EntryNotFoundError, GatedRepoError):
        # The model is there; what is missing or needs a login is reported where it is loaded.
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
