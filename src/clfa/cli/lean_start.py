"""A quick start for commands that do nothing but predict."""

from __future__ import annotations

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
# Modules that every model is made of.
_MODULES = ("modeling_utils", "masking_utils", "processing_utils")
_COMPILER = "torch._dynamo"
# Decorators and wrappers that tell the compiler how to treat a function.
_MARKS = ("disable", "allow_in_graph", "assume_constant_result")


@contextmanager
def lean_transformers() -> Iterator[None]:
    """Import Transformers' model code without what prediction never uses; load a model within.

    This saves half of the time. For the rest of this process Transformers takes SciPy, Accelerate and
    ``torch.distributed`` for absent, as on a machine without them; within, functions are not marked for PyTorch's
    compiler, which is then not imported. This is for processes of our own alone, such as ``clfa predict``: the library
    never calls it. Nothing happens where Transformers' model code is imported already.
    """
    if "transformers.modeling_utils" in sys.modules:
        yield
        return
    with _without_compiler():
        # Another release may need what is hidden here; it is then imported in the usual way, later.
        with suppress(Exception), _hidden(), _no_distributed():
            for name in _MODULES:
                import_module(f"transformers.{name}")
        yield


@contextmanager
def _hidden() -> Iterator[None]:
    """The unused packages cannot be found within, unless they are imported already."""
    hidden = [name for name in _UNUSED if name not in sys.modules]
    for name in hidden:
        # The import system's own mark of a module that must not be found.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _no_distributed() -> Iterator[None]:
    """PyTorch says within that it was built without ``torch.distributed``."""
    from torch import distributed

    is_available = distributed.is_available
    distributed.is_available = lambda: False
    try:
        yield
    finally:
        distributed.is_available = is_available


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Put a small package in the place of PyTorch's compiler, whose marks leave functions as they are.

    Its modules can be imported one by one, as Transformers does with a small one, without the package's own long list
    of imports. When anything else is asked of it, the real one takes its place.
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
    """The function itself, or a decorator that gives it back."""
    del arguments, options
    return _unmarked if function is None else function
