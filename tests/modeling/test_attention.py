from __future__ import annotations

import pytest
import torch

from clfa.cpu import speed_up
from clfa.modeling.attention import AttentionSubLayer, attention_mask_for


@pytest.fixture(params=[False, True], ids=["plain", "sped up"])
def layer(request: pytest.FixtureRequest) -> AttentionSubLayer:
    torch.manual_seed(0)
    found = AttentionSubLayer(hidden_size=8, num_heads=2).double().eval()
    return speed_up(found) if request.param else found


def states(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_appended_masked_tokens_change_nothing(layer: AttentionSubLayer) -> None:
    hidden, context = states(2, 3, 8), states(2, 4, 8, seed=2)
    bias = states(2, 3, 4, seed=3)
    expected = layer(hidden, context, torch.ones(2, 4), bias)
    padded = torch.cat([context, 1e6 * states(2, 5, 8, seed=4)], dim=1)
    mask = torch.tensor([[1] * 4 + [0] * 5] * 2)
    wider = torch.cat([bias, torch.full((2, 3, 5), 1e3, dtype=torch.float64)], dim=2)
    torch.testing.assert_close(layer(hidden, padded, mask, wider), expected, rtol=0, atol=1e-12)


def test_masked_tokens_in_the_middle_are_as_if_removed(layer: AttentionSubLayer) -> None:
    hidden, context = states(1, 3, 8), states(1, 5, 8, seed=2)
    mask = torch.tensor([[1, 0, 1, 0, 1]])
    torch.testing.assert_close(layer(hidden, context, mask), layer(hidden, context[:, ::2]), rtol=0, atol=1e-12)


def test_no_mask_is_a_mask_of_ones(layer: AttentionSubLayer) -> None:
    hidden, context = states(2, 3, 8), states(2, 4, 8, seed=2)
    torch.testing.assert_close(layer(hidden, context), layer(hidden, context, torch.ones(2, 4)), rtol=0, atol=1e-12)


def test_a_sample_without_context_passes_unchanged(layer: AttentionSubLayer) -> None:
    hidden, context = states(3, 4, 8), states(3, 2, 8, seed=2)
    mask = torch.tensor([[1, 1], [0, 0], [1, 0]])
    result = layer(hidden, context, mask, states(3, 4, 2, seed=3))
    assert torch.equal(result[1], hidden[1])
    assert torch.isfinite(result).all()
    assert not torch.allclose(result[0], hidden[0])
    torch.testing.assert_close(
        result[2], layer(hidden[2:], context[2:, :1], bias=states(3, 4, 2, seed=3)[2:, :, :1])[0], rtol=0, atol=1e-12
    )


def test_a_sample_without_context_gives_finite_gradients(layer: AttentionSubLayer) -> None:
    hidden, context = states(2, 4, 8).requires_grad_(), states(2, 2, 8, seed=2).requires_grad_()
    layer(hidden, context, torch.tensor([[1, 1], [0, 0]])).sum().backward()
    for tensor in (hidden, context, *layer.parameters()):
        assert tensor.grad is not None
        assert torch.isfinite(tensor.grad).all()
    assert torch.equal(context.grad[1], torch.zeros(2, 8, dtype=torch.float64))


def test_a_bias_steers_attention(layer: AttentionSubLayer) -> None:
    hidden, context = states(1, 2, 8), states(1, 3, 8, seed=2)
    bias = torch.zeros(1, 2, 3, dtype=torch.float64)
    # The same number for every key changes no softmax; a large number for one key leaves that key alone.
    torch.testing.assert_close(layer(hidden, context, bias=bias + 7.0), layer(hidden, context), rtol=0, atol=1e-12)
    bias[:, :, 1] = 1e4
    torch.testing.assert_close(layer(hidden, context, bias=bias), layer(hidden, context[:, 1:2]), rtol=0, atol=1e-12)


def test_the_order_of_context_tokens_does_not_matter(layer: AttentionSubLayer) -> None:
    hidden, context = states(1, 2, 8), states(1, 5, 8, seed=2)
    torch.testing.assert_close(layer(hidden, context), layer(hidden, context.flip(1)), rtol=0, atol=1e-12)


def test_dropout_is_for_training_only() -> None:
    torch.manual_seed(0)
    layer = AttentionSubLayer(8, 2, attention_dropout=0.5, hidden_dropout=0.0)
    hidden = torch.randn(2, 4, 8)
    assert not torch.equal(layer.train()(hidden, hidden), layer(hidden, hidden))
    assert torch.equal(layer.eval()(hidden, hidden), layer(hidden, hidden))


def test_mask_and_bias_are_combined() -> None:
    mask, bias = torch.tensor([[1, 0]]), torch.tensor([[[0.5, 2.0]]])
    assert attention_mask_for(None, None) is None
    keys = attention_mask_for(mask, None)
    assert keys is not None
    assert keys.tolist() == [[[[True, False]]]]
    scores = attention_mask_for(mask, bias)
    assert scores is not None
    assert scores.tolist() == [[[[0.5, float("-inf")]]]]
    alone = attention_mask_for(None, bias)
    assert alone is not None
    assert alone.tolist() == [[[[0.5, 2.0]]]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_graph_of_another_dtype_is_taken_under_autocast(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = AttentionSubLayer(8, 2).eval()
    hidden, bias = torch.randn(2, 3, 8), torch.rand(2, 3, 3)
    with torch.autocast("cpu", dtype=dtype):
        result = layer(hidden, hidden, torch.ones(2, 3), bias)
    torch.testing.assert_close(result.float(), layer(hidden, hidden, torch.ones(2, 3), bias), rtol=0, atol=0.1)
