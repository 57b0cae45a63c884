from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from clfa.cpu import folded_conv
from clfa.cpu.folded_conv import exchange

package = pytest.importorskip("efficientnet_lite_pytorch", reason="needs the extra `offline`")


def backbone_for(size: int) -> Any:
    torch.manual_seed(0)
    backbone = package.EfficientNet.from_name("efficientnet-lite0", image_size=size)
    with torch.no_grad():
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1
                module.weight.normal_(1, 0.3)
                module.bias.normal_(0, 0.3)
        # Statistics of noise, so that later layers depend on the picture.
        backbone.train().extract_features(torch.randn(4, 3, size, size))
    return backbone.eval()


@pytest.fixture(scope="module")
def plain() -> Any:
    return backbone_for(64)


@pytest.fixture
def folded(plain: Any) -> Any:
    module = copy.deepcopy(plain)
    exchange(module)
    return module


@pytest.fixture
def foldings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry each time that weights are folded."""
    calls: list[int] = []
    steps = folded_conv._steps
    monkeypatch.setattr(folded_conv, "_steps", lambda backbone: [calls.append(1), *steps(backbone)][1:])  # type: ignore[func-returns-value]
    return calls


# The padding of 224 pixels is one-sided in four of five convolutions with stride, that of 75 pixels in others.
@pytest.mark.parametrize("size", [64, 75])
@torch.no_grad()
def test_features_are_those_of_the_package(size: int, foldings: list[int]) -> None:
    plain = backbone_for(size)
    module = copy.deepcopy(plain)
    exchange(module)
    for count in (1, 3):
        pixels = torch.randn(count, 3, size, size)
        expected = plain.extract_features(pixels)
        found = module.extract_features(pixels)
        assert expected.std() > 0.1
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert foldings == [1]


@pytest.mark.parametrize("changed", ["_bn0.running_mean", "_conv_stem.weight", "_blocks.3._bn2.bias"])
@torch.no_grad()
def test_changed_weights_are_folded_anew(plain: Any, folded: Any, changed: str, foldings: list[int]) -> None:
    pixels = torch.randn(1, 3, 64, 64)
    before = folded.extract_features(pixels)
    expected = copy.deepcopy(plain)
    for module in (folded, expected):
        dict([*module.named_parameters(), *module.named_buffers()])[changed].add_(0.5)
    found = folded.extract_features(pixels)
    assert (found - before).abs().max() > 0.01
    torch.testing.assert_close(found, expected.extract_features(pixels), rtol=1e-3, atol=1e-3)
    assert foldings == [1, 1]


def test_gradients_statistics_and_other_precisions_are_the_packages(
    plain: Any, folded: Any, foldings: list[int]
) -> None:
    pixels = torch.randn(2, 3, 64, 64)
    expected, found = plain.extract_features(pixels), folded.extract_features(pixels)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    weight = folded._conv_stem.weight
    (gradient,) = torch.autograd.grad(found.sum(), weight)
    assert gradient.abs().max() > 0
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            folded.extract_features(pixels)
        copy.deepcopy(folded).double().extract_features(pixels.double())
        before = folded._bn0.running_mean.clone()
        folded.train().extract_features(pixels)
        assert not torch.equal(folded._bn0.running_mean, before)
        assert foldings == []
        folded.eval().extract_features(pixels)
        assert foldings == [1]


def test_weights_without_a_count_of_changes_are_not_folded(foldings: list[int]) -> None:
    with torch.inference_mode():
        backbone = backbone_for(64)
        exchange(backbone)
        assert backbone.extract_features(torch.zeros(1, 3, 64, 64)).shape == (1, 1280, 2, 2)
    assert foldings == []


@torch.no_grad()
def test_copies_and_saved_modules_use_their_own_weights(plain: Any, folded: Any) -> None:
    pixels = torch.randn(1, 3, 64, 64)
    first = folded.extract_features(pixels)
    for another in (copy.deepcopy(folded), pickle.loads(pickle.dumps(folded))):  # noqa: S301
        another._bn0.bias.add_(1)
        assert (another.extract_features(pixels) - first).abs().max() > 0.01
    torch.testing.assert_close(folded.extract_features(pixels), first, rtol=0, atol=0)
    assert list(folded.state_dict()) == list(plain.state_dict())


def test_other_modules_are_not_changed() -> None:
    with_swish = package.EfficientNet.from_name("efficientnet-lite0", image_size=64)
    with_swish._blocks[2]._swish = nn.SiLU()
    for module in (with_swish, nn.Conv2d(3, 3, 1)):
        exchange(module)
        assert "extract_features" not in vars(module)
