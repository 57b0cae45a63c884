from __future__ import annotations

import pytest
import torch
from torch import nn

from clfa.cpu import linear
from clfa.cpu.linear import Linear

_HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """oneDNN whatever the processor and the size; the list has one entry for each of its products."""
    if not _HAS_ONEDNN:
        pytest.skip("PyTorch without oneDNN")
    products: list[int] = []
    product = linear._product

    def counted(*arguments: torch.Tensor) -> torch.Tensor:
        products.append(1)
        return product(*arguments)

    monkeypatch.setattr(linear, "_product", counted)
    monkeypatch.setattr(linear, "onednn_pays", lambda: True)
    monkeypatch.setattr(linear, "_WORTHWHILE", 0)
    return products


@pytest.mark.parametrize("shape", [(7, 12), (3, 5, 12), (2, 3, 4, 12)])
@pytest.mark.parametrize("bias", [True, False])
def test_value_and_gradients_are_those_of_pytorch(always: list[int], shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    layer = Linear(12, 20, bias=bias)
    x = torch.randn(shape, requires_grad=True)
    y = layer(x)
    target = torch.randn_like(y)
    (y * target).sum().backward()
    doubled = x.detach().double().requires_grad_()
    weight = layer.weight.detach().double().requires_grad_()
    expected = doubled @ weight.T + (layer.bias.detach().double() if bias else 0)
    (expected * target.double()).sum().backward()
    torch.testing.assert_close(y.double(), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(x.grad.double(), doubled.grad, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(layer.weight.grad.double(), weight.grad, atol=1e-5, rtol=1e-5)
    if bias:
        torch.testing.assert_close(
            layer.bias.grad.double(), target.double().reshape(-1, 20).sum(0), atol=1e-5, rtol=1e-5
        )
    assert len(always) == 3


def test_strided_inputs_and_gradients(always: list[int]) -> None:
    torch.manual_seed(1)
    layer = Linear(6, 4)
    x = torch.randn(6, 9).t().requires_grad_()
    layer(x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.detach().sum(0).expand(9, 6), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(layer.weight.grad, x.detach().sum(0).expand(4, 6), atol=1e-5, rtol=1e-5)


def test_only_gradients_that_are_needed(always: list[int]) -> None:
    layer = Linear(6, 4).requires_grad_(False)
    x = torch.randn(3, 6, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None
    assert len(always) == 2
    with torch.inference_mode():
        layer(x)
    assert len(always) == 3


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_go_to_pytorch(always: list[int], dtype: torch.dtype) -> None:
    layer = Linear(6, 4).to(dtype)
    assert layer(torch.randn(3, 6, dtype=dtype)).dtype == dtype
    assert not always


@pytest.mark.parametrize("shape", [(0, 6), (6,)])
def test_no_rows_and_one_row_go_to_pytorch(always: list[int], shape: tuple[int, ...]) -> None:
    assert Linear(6, 4)(torch.randn(shape)).shape == (*shape[:-1], 4)
    assert not always


def test_autocast_goes_to_pytorch(always: list[int]) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert Linear(6, 4)(torch.randn(3, 6)).dtype == torch.bfloat16
    assert not always


def test_exchange_keeps_parameters_and_spares_subclasses() -> None:
    class Other(nn.Linear):
        pass

    plain, other = nn.Linear(2, 3), Other(3, 3)
    weight = plain.weight
    for layer in (plain, other, nn.Identity()):
        linear.exchange(layer)
    assert (type(plain), type(other)) == (Linear, Other)
    assert plain.weight is weight
    assert list(plain.state_dict()) == ["weight", "bias"]


def test_a_bias_alone_is_trained(always: list[int]) -> None:
    layer = Linear(6, 4)
    layer.weight.requires_grad_(False)
    layer(torch.zeros(3, 6)).sum().backward()
    assert layer.bias.grad is not None
    assert layer.bias.grad.tolist() == [3.0] * 4
