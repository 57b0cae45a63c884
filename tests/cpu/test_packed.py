from __future__ import annotations

import pytest
import torch
from torch import nn

from clfa.cpu import packed
from clfa.cpu.linear import Linear
from clfa.cpu.packed import PackedWeights, packed_weights, packing_pays

native = pytest.mark.skipif(not packing_pays(), reason="no products in bfloat16 here")


@pytest.fixture
def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(Linear(320, 260), nn.ReLU(), Linear(260, 256, bias=False), nn.ReLU(), Linear(256, 3))


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each product with packed weights."""
    done: list[int] = []
    multiply = PackedWeights.__call__

    def counted(self: PackedWeights, x: torch.Tensor) -> torch.Tensor:
        done.append(1)
        return multiply(self, x)

    monkeypatch.setattr(PackedWeights, "__call__", counted)
    return done


@native
@pytest.mark.parametrize("shape", [(7, 320), (2, 5, 320), (2, 3, 1, 320)])
def test_products_are_those_of_rounded_weights(layers: nn.Sequential, products: list[int], shape: tuple[int]) -> None:
    x = torch.randn(shape)
    with packed_weights(layers), torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = layers(x)
    assert found.dtype == torch.bfloat16
    assert len(products) == 2
    expected = x.bfloat16()
    for layer in layers:
        if isinstance(layer, nn.Linear):
            bias = 0 if layer.bias is None else layer.bias.detach().bfloat16().double()
            expected = (expected.double() @ layer.weight.detach().bfloat16().double().T + bias).bfloat16()
        else:
            expected = expected.relu()
    torch.testing.assert_close(found.double(), expected.double(), atol=0.01, rtol=0.01)


@native
def test_gradients_and_other_precisions_do_without(layers: nn.Sequential, products: list[int]) -> None:
    x = torch.randn(4, 320)
    plain = layers(x)
    with packed_weights(layers):
        with torch.autocast("cpu", torch.bfloat16):
            layers(x).float().sum().backward()
        assert layers[0].weight.grad is not None
        with torch.no_grad():
            torch.testing.assert_close(layers(x), plain, atol=1e-5, rtol=1e-5)
            with torch.autocast("cpu", torch.float16):
                layers(x)
    assert products == []


@native
def test_weights_are_let_go_of_also_after_an_error(layers: nn.Sequential) -> None:
    def held() -> list[bool]:
        return [layer.packed is not None for layer in layers if isinstance(layer, Linear)]

    found: list[bool] = []
    layers.register_forward_pre_hook(lambda *_: found.extend(held()))
    with pytest.raises(RuntimeError, match="shapes"), packed_weights(layers):
        layers(torch.zeros(1, 2))
    # The small one is left alone.
    assert found == [True, True, False]
    assert held() == [False, False, False]


def test_machines_without_bfloat16_go_on_as_before(layers: nn.Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "packing_pays", lambda: False)
    with packed_weights(layers):
        assert all(layer.packed is None for layer in layers if isinstance(layer, Linear))
