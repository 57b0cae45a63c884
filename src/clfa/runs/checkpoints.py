"""Checkpoints of a run, and which of them are whole."""

from __future__ import annotations

import json
import logging
import shutil
import zipfile
import zlib
from pathlib import Path

from safetensors import SafetensorError, safe_open

from clfa.checksums import altered

logger = logging.getLogger(__name__)

STATE_FILE = "trainer_state.json"
# What every checkpoint has, as patterns of file names.
_PARTS = {
    "the file of weights": ("unfrozen_weights.safetensors", "model*.safetensors", "pytorch_model_fsdp*"),
    "the optimiser's state": ("optimizer*",),
    "scheduler.pt": ("scheduler.pt",),
}


# What JSON, safetensors and zipfile raise for damaged bytes.
_UNREADABLE = (
    ValueError,
    SafetensorError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


def last_whole(folder: Path) -> Path | None:
    """Return the newest whole checkpoint in ``folder``; ``None`` without one.

    Args:
        folder: Folder of ``checkpoint-STEP`` folders.
    """
    return next((path for path in _newest_first(folder) if fault(path) is None), None)


def remove_broken(folder: Path) -> None:
    """Remove incomplete and damaged checkpoints, as a killed run or a full disk leaves them, with a warning each.

    Args:
        folder: Folder of ``checkpoint-STEP`` folders.
    """
    faults = {path: found for path in _newest_first(folder) if (found := fault(path)) is not None}
    left = last_whole(folder)
    for path, found in faults.items():
        instead = "training begins anew" if left is None else f"training continues from {left.name}"
        logger.warning("%s is damaged (%s) and is removed; %s.", path, found, instead)
        shutil.rmtree(path)


def fault(checkpoint: Path) -> str | None:
    """Return what is wrong with the files of a checkpoint or of the best one that it refers to; ``None`` if nothing is.

    All files are compared with the checksums that the training wrote. In checkpoints of earlier versions, archives of
    PyTorch are compared with their own checksums, safetensors with the sizes that they state.

    Args:
        checkpoint: A ``checkpoint-STEP`` folder.

    Raises:
        OSError: If a file cannot be read now, which says nothing about its content.
    """
    found = _own_fault(checkpoint)
    if found is None:
        best = json.loads((checkpoint / STATE_FILE).read_text(encoding="utf-8")).get("best_model_checkpoint")
        # By name: the run folder may have been moved.
        path = checkpoint if best is None else checkpoint.parent / Path(best).name
        if path != checkpoint and (found := _own_fault(path)) is not None:
            found = f"the best checkpoint so far, {path.name}: {found}"
    return found


def _own_fault(checkpoint: Path) -> str | None:
    if not (checkpoint / STATE_FILE).is_file():
        return f"{STATE_FILE} is missing"
    for part, patterns in _PARTS.items():
        if not any(any(checkpoint.glob(pattern)) for pattern in patterns):
            return f"{part} is missing"
    if (found := altered(checkpoint)) is not None:
        return found
    for path in sorted(checkpoint.rglob("*")):
        if not path.is_file():
            continue
        # safetensors says of any error of the system that there is no file.
        with open(path, "rb"):
            pass
        try:
            if path.suffix == ".json":
                content = json.loads(path.read_text(encoding="utf-8"))
                if path.name == STATE_FILE and not isinstance(content, dict):
                    return f"{path.name} is not an object"
            elif path.suffix == ".safetensors":
                with safe_open(path, "numpy"):
                    pass
            elif path.suffix in (".pt", ".pth"):
                with zipfile.ZipFile(path) as archive:
                    damaged = archive.testzip()
                if damaged is not None:
                    return f"{path.name}: {damaged} has another checksum"
        except _UNREADABLE as error:
            return f"{path.name}: {error}"
    return None


def _newest_first(folder: Path) -> list[Path]:
    numbered = [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
    return sorted(numbered, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
