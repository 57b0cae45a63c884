"""Random encoder features, and a baseline over them, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from clfa.modeling import CLFAConfig
from clfa.modeling.baselines.base import Baseline, build_baseline
from clfa.modeling.fusion import Stream

WIDTHS = {"text": 5, "image": 7, "knowledge": 5}
SIZES: dict[str, Any] = {
    "hidden_size": 6,
    "num_attention_heads": 2,
    "intermediate_size": 9,
    "num_fusion_layers": 2,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def build(name: str, *streams: str, fields: dict[str, Any] | None = None, **options: Any) -> Baseline:
    """The baseline of that name over those streams (text and image when none is named), in evaluation mode."""
    torch.manual_seed(0)
    widths = {stream: WIDTHS[stream] for stream in streams or ("text", "image")}
    config = CLFAConfig(baseline=name, **(SIZES | (fields or {})))
    return build_baseline(name, config, widths, options).double().eval()


def stream(name: str, lengths: list[int], tokens: int | None = None, seed: int = 0) -> Stream:
    """Features of one sample per length, masked beyond it."""
    tokens = max(lengths) if tokens is None else tokens
    generator = torch.Generator().manual_seed(seed + 10 * len(name))
    hidden = torch.randn(len(lengths), tokens, WIDTHS[name], dtype=torch.float64, generator=generator)
    return Stream(hidden, torch.tensor([[1] * length + [0] * (tokens - length) for length in lengths]))


def padded(part: Stream, count: int = 4) -> Stream:
    """The same with ``count`` masked tokens of noise behind."""
    batch, tokens, width = part.hidden.shape
    noise = 100 * torch.randn(batch, count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(99))
    mask = torch.ones(batch, tokens, dtype=torch.long) if part.mask is None else part.mask
    return Stream(torch.cat([part.hidden, noise], dim=1), torch.cat([mask, mask.new_zeros(batch, count)], dim=1))


def only(streams: dict[str, Stream], row: int) -> dict[str, Stream]:
    """One sample alone, without its padding."""
    alone = {}
    for name, part in streams.items():
        assert part.mask is not None
        keep = part.mask[row].bool()
        if keep.any():
            alone[name] = Stream(part.hidden[row : row + 1, keep])
    return alone


def arrays(module: torch.nn.Module) -> dict[str, np.ndarray]:
    """Parameters by name."""
    return {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=1e-10)


def assert_padding_changes_nothing(baseline: Baseline, streams: dict[str, Stream]) -> None:
    """Neither noise behind the tokens nor the other samples of the batch reach a sample's vector."""
    with torch.no_grad():
        found = baseline(streams).hidden
        close(baseline({name: padded(part) for name, part in streams.items()}).hidden, found)
        for row in range(len(found)):
            close(baseline(only(streams, row)).hidden[0], found[row])


def assert_gradients_reach(module: torch.nn.Module, loss: torch.Tensor) -> None:
    loss.backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # A constant added to every key moves no softmax.
        assert parameter.grad.abs().sum() > 0 or name.endswith("key.bias"), name
