from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from clfa.cpu.batched_attention import attend, batched_attention, batching_pays, exchange


def states(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def arguments(n: int = 4, m: int = 6, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    return tuple(states(2, 3, length, 5, seed=seed, dtype=dtype) for seed, length in enumerate((n, m, m)))


MASKS = {
    "none": None,
    "keys": torch.tensor([[1, 1, 1, 0, 0, 1], [1, 0, 0, 0, 0, 0]]).bool()[:, None, None],
    "pairs": states(2, 1, 4, 6, seed=7) > 0.3,
    "nothing to read": torch.tensor([[1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]]).bool()[:, None, None],
    "scores": states(2, 1, 4, 6, seed=8),
    "scores and keys": states(2, 3, 4, 6, seed=9).masked_fill(states(2, 1, 1, 6, seed=10) > 0, float("-inf")),
    "shared": states(4, 6, seed=11),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("scale", [None, 0.7])
def test_values_and_gradients_are_pytorchs(name: str, scale: float | None) -> None:
    upstream = states(2, 3, 4, 5, seed=20)
    found, expected = [], []
    for attention, results in ((batched_attention, found), (F.scaled_dot_product_attention, expected)):
        leaves = [tensor.requires_grad_() for tensor in arguments()]
        results.append(attention(*leaves, MASKS[name], scale=scale))
        results[0].backward(upstream)
        results.extend(leaf.grad for leaf in leaves)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-13, rtol=1e-12)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradients_are_the_derivative(dropout: float) -> None:
    def seeded(*leaves: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(5)
        return batched_attention(*leaves, MASKS["pairs"], dropout)

    assert torch.autograd.gradcheck(seeded, [tensor.requires_grad_() for tensor in arguments()])


def test_dropped_weights() -> None:
    torch.manual_seed(0)
    query, key, _ = arguments(200, 300)
    # With the identity for values the result is the weights.
    value = torch.eye(300, dtype=torch.float64).expand(2, 3, -1, -1)
    weights = batched_attention(query, key, value)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 200, dtype=torch.float64))
    dropped = batched_attention(query, key, value, dropout=0.25)
    share = (dropped == 0).double().mean().item()
    assert share == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / weights.numel()) ** 0.5)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], weights[kept] / 0.75)


@given(
    n=st.integers(1, 9),
    m=st.integers(1, 9),
    width=st.integers(1, 8),
    magnitude=st.sampled_from([0.1, 1.0, 10.0, 1000.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_in_bfloat16_an_average_of_values(n: int, m: int, width: int, magnitude: float, seed: int) -> None:
    query = magnitude * states(1, 2, n, width, seed=seed, dtype=torch.bfloat16)
    key, value = (states(1, 2, m, width, seed=seed + k, dtype=torch.bfloat16) for k in (1, 2))
    found = batched_attention(query, key, value).float()
    slack = 0.02 * value.float().abs().amax()
    assert (found <= value.float().amax(2, keepdim=True) + slack).all()
    assert (found >= value.float().amin(2, keepdim=True) - slack).all()


def test_bfloat16_is_as_near_as_its_weights_allow() -> None:
    leaves = [tensor.requires_grad_() for tensor in arguments(40, 50, torch.bfloat16)]
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    found = batched_attention(*leaves)
    expected = F.scaled_dot_product_attention(*exact)
    found.backward(states(2, 3, 40, 5, seed=4, dtype=torch.bfloat16))
    expected.backward(states(2, 3, 40, 5, seed=4, dtype=torch.bfloat16).double())
    pairs = [(found, expected), *((a.grad, b.grad) for a, b in zip(leaves, exact, strict=True))]
    for ours, theirs in pairs:
        assert ours.dtype == torch.bfloat16
        assert (ours.double() - theirs).norm() < 0.01 * theirs.norm()


def test_the_same_under_autocast() -> None:
    leaves = arguments(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(batched_attention(*leaves), batched_attention(*leaves))
        assert batched_attention(*leaves).dtype == torch.float32


def test_when_it_pays() -> None:
    lower, single, double = (arguments(dtype=dtype) for dtype in (torch.bfloat16, torch.float32, torch.float64))
    assert batching_pays(*lower, None, 0.0)
    with torch.no_grad():
        assert not batching_pays(*lower, None, 0.0)
        assert batching_pays(*lower, None, 0.1)
    assert batching_pays(*single, None, 0.1)
    assert batching_pays(*double, MASKS["pairs"], 0.1)
    assert not batching_pays(*single, None, 0.0)
    assert not batching_pays(*(tensor.half() for tensor in single), None, 0.1)
    assert not batching_pays(*(tensor.to("meta") for tensor in lower), None, 0.1)
    assert not batching_pays(lower[0], single[1], single[2], None, 0.1)
    assert not batching_pays(lower[0], lower[1][:, :1], lower[2][:, :1], None, 0.1)
    assert not batching_pays(*lower, torch.zeros(4, 6, requires_grad=True), 0.1)


@pytest.mark.parametrize("name", MASKS)
def test_pytorchs_function_by_its_own_arguments(name: str) -> None:
    lower, single = arguments(dtype=torch.bfloat16), arguments(dtype=torch.float32)
    mask = MASKS[name]
    assert torch.equal(attend(*lower, attn_mask=mask), batched_attention(*lower, mask))
    found = []
    for function in (attend, F.scaled_dot_product_attention):
        torch.manual_seed(0)
        found.append(function(*single, attn_mask=None if mask is None or mask.dtype == torch.bool else mask.float()))
        found.append(function(*single, dropout_p=0.5))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found[:2], found[2:], strict=True))


def test_exchange_is_of_pytorchs_function_alone() -> None:
    class Layer(nn.Module):
        attend = staticmethod(F.scaled_dot_product_attention)

    class Other(nn.Module):
        attend = staticmethod(max)

    layers = [Layer(), Layer(), Other(), nn.Linear(1, 1)]
    for layer in layers[1:]:
        exchange(layer)
    assert layers[0].attend is F.scaled_dot_product_attention
    assert layers[1].attend is attend
    assert layers[2].attend is max
    assert not hasattr(layers[3], "attend")
