"""Upload of a model to a model hub."""

from __future__ import annotations

from pathlib import Path

from clfa.errors import ModelError
from clfa.runs.run_folder import RunFolder, is_run_folder


def upload(path: Path, repository: str, *, private: bool | None, token: str | None, message: str) -> str:
    """Upload a model with its processor and card, and return its address.

    Args:
        path: Run folder or model directory.
        repository: ``owner/name``; it is made if it does not exist.
        private: Whether a new repository is private; what the hub does by default when not given.
        token: Access token; that of the hub's login when not given.
        message: Message of the commit.

    Raises:
        ModelError: If there is no model in a folder, or the hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.errors import OfflineModeIsEnabled as Offline

    folder = RunFolder(path).model if is_run_folder(path) else path
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder with a model; only a model on this machine can be uploaded.")
    hub = HfApi(token=token, library_name="clfa")
    try:
        place = hub.create_repo(repository, private=private, exist_ok=True)
        hub.upload_folder(repo_id=place.repo_id, folder_path=folder, commit_message=message, ignore_patterns=".*")
    except HFValidationError as error:
        raise ModelError(f"{repository!r} is no name of a repository, such as owner/name: {error}") from error
    except Offline as error:
        raise ModelError("the hub cannot be reached while HF_HUB_OFFLINE is set.") from error
    except Exception as error:  # Its client raises types of its own.
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"the hub did not take {repository!r}: {reason}") from error
    return str(place)
