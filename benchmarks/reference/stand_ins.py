"""Substitutes for packages that the authors' code imports and that are not installed."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def stand_in() -> list[str]:
    """Put substitutes in the place of packages that the authors' code imports and that are not installed.

    Returns:
        Names of those replaced.
    """
    makers: dict[str, Callable[[], types.ModuleType]] = {
        "wordninja": lambda: types.ModuleType("wordninja"),
        "ml_collections": _ml_collections,
        "torchvision": _torchvision,
    }
    replaced = []
    for name, make in makers.items():
        if name not in sys.modules and importlib.util.find_spec(name) is None:
            sys.modules[name] = make()
            replaced.append(name)
    return replaced


class _Attributes(dict[str, Any]):
    """A dictionary whose entries are attributes, as ``ml_collections.ConfigDict``."""

    def __init__(self, content: dict[str, Any] | None = None) -> None:
        super().__init__()
        for name, value in (content or {}).items():
            self[name] = _Attributes(value) if isinstance(value, dict) else value

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = _Attributes(value) if isinstance(value, dict) and not isinstance(value, _Attributes) else value

    def __delattr__(self, name: str) -> None:
        del self[name]


def _ml_collections() -> types.ModuleType:
    module: Any = types.ModuleType("ml_collections")
    module.ConfigDict = _Attributes
    return module


def _torchvision() -> types.ModuleType:
    from PIL import Image

    def to_tensor(image: Any) -> torch.Tensor:
        return torch.from_numpy(np.array(image, np.float32).transpose(2, 0, 1) / 255)

    def normalise(mean: Any, std: Any) -> Callable[[torch.Tensor], torch.Tensor]:
        m, s = (torch.tensor(values)[:, None, None] for values in (mean, std))
        return lambda tensor: (tensor - m) / s

    def compose(steps: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
        def apply(image: Any) -> Any:
            for step in steps:
                image = step(image)
            return image

        return apply

    transforms: Any = types.ModuleType("torchvision.transforms")
    transforms.Resize = lambda size: lambda image: image.resize(size[::-1], Image.Resampling.BILINEAR)
    transforms.ToTensor = lambda: to_tensor
    transforms.Normalize = normalise
    transforms.Compose = compose
    module: Any = types.ModuleType("torchvision")
    module.transforms = transforms
    sys.modules["torchvision.transforms"] = transforms
    return module
