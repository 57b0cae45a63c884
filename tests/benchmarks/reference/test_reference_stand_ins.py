from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from benchmarks.reference.stand_ins import _torchvision, stand_in


def test_only_what_is_missing_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("wordninja", "ml_collections", "torchvision", "torchvision.transforms"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name != "torchvision" else object())
    assert stand_in() == ["wordninja", "ml_collections"]
    import ml_collections

    config = ml_collections.ConfigDict()
    config.patches = ml_collections.ConfigDict({"size": (32, 32)})
    assert config.patches.get("grid") is None
    assert config.patches["size"] == (32, 32)
    del config.patches.size
    assert not config.patches
    with pytest.raises(AttributeError):
        _ = config.nothing
    for name in ("wordninja", "ml_collections"):
        monkeypatch.delitem(sys.modules, name)


def test_the_stand_in_transforms() -> None:
    from PIL import Image

    t = _torchvision().transforms
    sys.modules.pop("torchvision.transforms")
    pixels = np.full((4, 6, 3), 51, np.uint8)
    steps = [t.Resize((2, 3)), t.ToTensor(), t.Normalize((0.1, 0.2, 0.3), (0.5, 1.0, 2.0))]
    found = t.Compose(steps)(Image.fromarray(pixels))
    assert found.shape == (3, 2, 3)
    torch.testing.assert_close(found[:, 0, 0], torch.tensor([0.2, 0.0, -0.05]))
