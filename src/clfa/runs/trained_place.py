"""Check within a second that a trained model exists, before PyTorch and Transformers are imported."""

from __future__ import annotations

from pathlib import Path

from clfa.errors import ModelError
from clfa.hub import require_on_hub
from clfa.nearest import path_hint
from clfa.pretrained import MODEL_FILES, PACKAGE_PREFIX, looks_local
from clfa.runs.run_folder import RunFolder, is_run_folder


def require_trained(place: str | Path) -> None:
    """Check that a place may hold a trained model: a finished run, a directory, or a hub id that exists.

    Args:
        place: Run folder, model directory, export or hub id.

    Raises:
        ModelError: When it does not exist, or is a run that did not finish.
    """
    path = Path(place)
    if is_run_folder(path):
        RunFolder(path).finished()
    elif not path.is_dir():
        name = str(place)
        # Runs are made in `runs` when no other folder is given.
        beside = Path("runs", name) if Path(name).parent == Path() and Path("runs").is_dir() else None
        hint = path_hint(name) or (path_hint(beside) if beside is not None else "")
        if name.startswith(PACKAGE_PREFIX) or looks_local(name):
            raise ModelError(f"there is no run folder or model directory {name!r}.{hint}")
        try:
            require_on_hub(name, MODEL_FILES)
        except ModelError as error:
            raise ModelError(*error.args, hint) from error
