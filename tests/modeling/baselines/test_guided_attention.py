from __future__ import annotations

import numpy as np
import torch

from clfa.modeling.baselines.guided_attention import GuidedAttention, masked_softmax

from .batches import arrays, close


def test_masked_softmax() -> None:
    scores = torch.tensor([[1.0, 2.0, 50.0], [3.0, 4.0, 5.0]], dtype=torch.float64)
    weights = masked_softmax(scores, torch.tensor([[1, 1, 0], [0, 0, 0]]))
    close(weights, [[1 / (1 + np.e), np.e / (1 + np.e), 0], [0, 0, 0]])
    close(masked_softmax(scores, None)[1], np.exp([3, 4, 5]) / np.exp([3, 4, 5]).sum())


def test_additive_attention_with_two_guides() -> None:
    torch.manual_seed(0)
    attention = GuidedAttention(4, [3, 2], 5).double()
    tokens = torch.randn(1, 6, 4, dtype=torch.float64)
    first, second = torch.randn(1, 3, dtype=torch.float64), torch.randn(1, 2, dtype=torch.float64)
    mask = torch.tensor([[1, 0, 1, 1, 0, 1]])
    found = attention(tokens, mask, first, second)[0].detach().numpy()
    P = arrays(attention)
    shift = P["guides.0.weight"] @ first[0].numpy() + P["guides.1.weight"] @ second[0].numpy()
    scores = np.array(
        [
            P["score.weight"][0] @ np.tanh(P["token.weight"] @ m + P["token.bias"] + shift)
            for m in tokens[0].numpy()[[0, 2, 3, 5]]
        ]
    )
    close(found[[0, 2, 3, 5]], np.exp(scores) / np.exp(scores).sum())
    close(found[[1, 4]], [0, 0])
