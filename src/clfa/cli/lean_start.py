"""Fast import of Transformers for commands that only predict."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

# Transformers imports these wherever they are installed: SciPy for the losses of object detection, Accelerate for
# models that are spread over devices.
_UNUSED = ("scipy", "accelerate")
# Modules that all models use.
_MODULES = ("modeling_utils", "masking_utils", "processing_utils")
_COMPILER = "torch._dynamo"
# Decorators for the compiler.
_MARKS = ("disable", "allow_in_graph", "assume_constant_result")


@contextmanager
def lean_transformers() -> Iterator[None]:
    """Import the model code of Transformers without packages that prediction does not use. Load a model within it.

    This saves half of the time. For the rest of the process Transformers behaves as if SciPy, Accelerate and
    ``torch.distributed`` were not installed. Within the context, the PyTorch compiler is not imported. Only ``clfa
    predict`` on one post uses this; the library never does. There is no effect if the model code of Transformers is
    already imported.
    """
    if "transformers.modeling_utils" in sys.modules:
        yield
        return
    with _without_compiler():
        # Another release may need the hidden packages. Transformers is then imported normally, later.
        with suppress(Exception), _hidden(), _no_distributed():
            for name in _MODULES:
                import_module(f"transformers.{name}")
        yield


@contextmanager
def without_torch() -> Iterator[None]:
    """Import Transformers without PyTorch: an exported model needs its tokenizers and image processors alone.

    This saves most of the time. For the rest of the process Transformers behaves as if PyTorch were not installed. Only
    ``clfa predict`` on one post uses this; the library never does. There is no effect if PyTorch is already imported.
    """
    if "torch" in sys.modules:
        yield
        return
    # Transformers would say at its import that there will be no models.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    with _hidden("torch"):
        yield


@contextmanager
def _hidden(*further: str) -> Iterator[None]:
    """Hide the unused packages from imports, except those already imported."""
    hidden = [name for name in (*_UNUSED, *further) if name not in sys.modules]
    for name in hidden:
        # None makes an import fail.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _no_distributed() -> Iterator[None]:
    """Report ``torch.distributed`` as not available."""
    from torch import distributed

    is_available = distributed.is_available
    distributed.is_available = lambda: False
    try:
        yield
    finally:
        distributed.is_available = is_available


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Replace the PyTorch compiler with a small package whose decorators return functions unchanged.

    Transformers imports one small module of the compiler, which still works, without the long import of the package.
    Any other access loads the real package.
    """
    import torch

    if _COMPILER in sys.modules:
        yield
        return
    package = ModuleType(_COMPILER)
    package.__path__ = [str(Path(torch.__file__).parent / "_dynamo")]
    for mark in _MARKS:
        setattr(package, mark, _unmarked)

    def remove() -> None:
        if sys.modules.get(_COMPILER) is package:
            del sys.modules[_COMPILER]
        if vars(torch).get("_dynamo") is package:
            del vars(torch)["_dynamo"]

    def real(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        remove()
        return getattr(import_module(_COMPILER), name)

    vars(package)["__getattr__"] = real
    sys.modules[_COMPILER] = package
    vars(torch)["_dynamo"] = package
    try:
        yield
    finally:
        remove()


def _unmarked(function: Any = None, *arguments: Any, **options: Any) -> Any:
    """Return the function unchanged, or a decorator that does."""
    del arguments, options
    return _unmarked if function is None else function
