from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from clfa.cpu.patch_conv import PatchConv2d, exchange


@pytest.fixture
def convolutions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each convolution that PyTorch does."""
    calls: list[int] = []
    forward = nn.Conv2d.forward

    def counted(self: nn.Conv2d, input: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return forward(self, input)

    monkeypatch.setattr(nn.Conv2d, "forward", counted)
    return calls


# Patches that fill the picture, oblong ones, and a rest at the lower and the right edge.
@pytest.mark.parametrize(("kernel", "size"), [((4, 4), (12, 16)), ((2, 5), (6, 10)), ((4, 4), (15, 18))])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_value_and_gradients_are_the_convolutions(
    convolutions: list[int], kernel: tuple[int, int], size: tuple[int, int], bias: bool, layout: Any
) -> None:
    torch.manual_seed(0)
    layer = PatchConv2d(3, 7, kernel, stride=kernel, bias=bias).double()
    pictures = torch.randn(2, 3, *size, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    found = layer(pictures)
    weights = torch.randn_like(found)
    parameters = [pictures, *layer.parameters()]
    gradients = torch.autograd.grad((found * weights).sum(), parameters)
    expected = F.conv2d(pictures, layer.weight, layer.bias, stride=kernel)
    assert found.shape == (2, 7, size[0] // kernel[0], size[1] // kernel[1])
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    for ours, theirs in zip(gradients, torch.autograd.grad((expected * weights).sum(), parameters), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
    assert convolutions == []


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 2},
        {"stride": 4, "padding": 1},
        {"stride": 4, "padding": "valid", "dilation": 2},
        {"stride": 4, "groups": 2},
    ],
)
def test_other_convolutions_stay_what_they_are(convolutions: list[int], options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = PatchConv2d(2, 4, 4, **options)
    pictures = torch.randn(1, 2, 12, 12)
    settings = (layer.stride, layer.padding, layer.dilation, layer.groups)
    torch.testing.assert_close(layer(pictures), F.conv2d(pictures, layer.weight, layer.bias, *settings))
    assert convolutions == [1]


def test_single_pixels_and_single_pictures_are_convolved(convolutions: list[int]) -> None:
    assert PatchConv2d(3, 2, 1)(torch.zeros(1, 3, 5, 5)).shape == (1, 2, 5, 5)
    assert PatchConv2d(3, 2, 4, stride=4)(torch.zeros(3, 8, 8)).shape == (2, 2, 2)
    assert convolutions == [1, 1]


def test_a_picture_smaller_than_a_patch_is_pytorchs_error() -> None:
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        PatchConv2d(3, 2, 4, stride=4)(torch.zeros(1, 3, 3, 8))


def test_exchange_keeps_parameters_and_spares_other_kinds() -> None:
    plain, transposed = nn.Conv2d(3, 2, 4, stride=4), nn.ConvTranspose2d(3, 2, 4)
    weight = plain.weight
    exchange(plain)
    exchange(transposed)
    assert (type(plain), type(transposed)) == (PatchConv2d, nn.ConvTranspose2d)
    assert plain.weight is weight
