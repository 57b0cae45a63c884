from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from clfa.modeling.feed_forward import FeedForwardSubLayer


@pytest.mark.parametrize(
    ("name", "activation"),
    [("gelu", F.gelu), ("relu", torch.relu), ("gelu_new", lambda x: F.gelu(x, approximate="tanh"))],
)
def test_is_a_residual_mlp_with_layer_norm_behind(name: str, activation: object) -> None:
    torch.manual_seed(0)
    layer = FeedForwardSubLayer(6, 10, hidden_act=name).double().eval()
    hidden = torch.randn(2, 3, 6, dtype=torch.float64)
    inner = activation(hidden @ layer.fc1.weight.T + layer.fc1.bias)  # type: ignore[operator]
    total = hidden + inner @ layer.fc2.weight.T + layer.fc2.bias
    expected = (total - total.mean(-1, keepdim=True)) / (total.var(-1, correction=0, keepdim=True) + 1e-12).sqrt()
    torch.testing.assert_close(layer(hidden), expected, rtol=0, atol=1e-12)


def test_each_position_is_on_its_own() -> None:
    torch.manual_seed(0)
    layer = FeedForwardSubLayer(6, 10).eval()
    hidden = torch.randn(1, 4, 6)
    changed = hidden.clone()
    changed[0, 2] += 1
    same = (layer(hidden) == layer(changed)).all(-1)[0]
    assert same.tolist() == [True, True, False, True]


def test_dropout_is_for_training_only() -> None:
    torch.manual_seed(0)
    layer = FeedForwardSubLayer(6, 10, hidden_dropout=0.5)
    hidden = torch.randn(2, 3, 6)
    assert not torch.equal(layer.train()(hidden), layer(hidden))
    assert torch.equal(layer.eval()(hidden), layer(hidden))


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(KeyError, match="sinus"):
        FeedForwardSubLayer(6, 10, hidden_act="sinus")
