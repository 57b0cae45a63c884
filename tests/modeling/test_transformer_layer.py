from __future__ import annotations

import torch

from clfa.modeling import CLFAConfig
from clfa.modeling.transformer_layer import transformer_layers
from modeling.baselines.batches import SIZES, arrays, close
from modeling.baselines.by_hand import context_layer


def test_layers_are_the_transformers() -> None:
    torch.manual_seed(0)
    layers = transformer_layers(CLFAConfig(**SIZES)).double().eval()
    assert len(layers) == SIZES["num_fusion_layers"]
    hidden, context = torch.randn(1, 3, 6).double(), torch.randn(1, 5, 6).double()
    mask = torch.tensor([[1, 1, 0, 1, 0]])
    found, expected = hidden, hidden[0].numpy()
    for number, layer in enumerate(layers):
        found = layer(found, context, mask)
        expected = context_layer(expected, context[0, [0, 1, 3]].numpy(), arrays(layers), str(number))
    close(found[0].detach(), expected)


def test_without_context_only_the_feed_forward_is_left() -> None:
    layer = transformer_layers(CLFAConfig(**SIZES))[0].double().eval()
    hidden = torch.randn(1, 3, 6).double()
    found = layer(hidden, torch.randn(1, 2, 6).double(), torch.zeros(1, 2))
    assert torch.equal(found, layer.feed_forward(hidden))
