"""Small fusions and streams for the tests of this folder; everything is float64 and in evaluation mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from clfa.modeling import CLFAConfig
from clfa.modeling.fusion import FUSIONS, Fusion, Stream

WIDTH, HEADS = 8, 2
TEXT: dict[str, Any] = {"text_config": {"model_type": "bert"}}
IMAGE: dict[str, Any] = {"vision_config": {"model_type": "vit"}}
BOTH = TEXT | IMAGE
ALL = BOTH | {"use_knowledge": True}


def build(name: str, **fields: Any) -> Fusion:
    """A fusion in which no parameter has the value it starts with in training (0 or 1), so that each one shows."""
    torch.manual_seed(0)
    sizes = {"hidden_size": WIDTH, "num_attention_heads": HEADS, "intermediate_size": 12, "num_fusion_layers": 2}
    fusion: Fusion = FUSIONS.get(name)(CLFAConfig(**(sizes | fields))).double().eval()
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return fusion


def make_stream(lengths: Sequence[int], tokens: int | None = None, seed: int = 0, mask: bool = True) -> Stream:
    """A sample of each length, padded to ``tokens`` (the longest one's) with noise larger than the signal."""
    size = max(lengths) if tokens is None else tokens
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(len(lengths), size, WIDTH, dtype=torch.float64, generator=generator)
    keep = torch.tensor([[1] * length + [0] * (size - length) for length in lengths])
    return Stream(torch.where(keep[..., None].bool(), hidden, 50 * hidden), keep if mask else None)


def make_streams(*names: str) -> dict[str, Stream]:
    """Three samples of different lengths; the last has no knowledge, the image has no mask."""
    streams = {
        "text": make_stream([3, 1, 4], seed=1),
        "image": make_stream([5, 5, 5], seed=2, mask=False),
        "knowledge": make_stream([2, 3, 0], seed=3),
    }
    return {name: streams[name] for name in names or streams}


def graph(queries: Stream, keys: Stream, seed: int = 9) -> torch.Tensor:
    """A word-pair graph: scores in [0, 1) from text tokens to others."""
    shape = (len(keys.hidden), queries.hidden.shape[1], keys.hidden.shape[1])
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def with_graphs(streams: dict[str, Stream]) -> dict[str, Stream]:
    """The same with a graph over text pairs and one from text to knowledge."""
    return {
        name: stream if name == "image" else stream._replace(bias=graph(streams["text"], stream))
        for name, stream in streams.items()
    }


def arrays(fusion: Fusion) -> dict[str, Any]:
    """Parameters by name, for NumPy."""
    return {name: parameter.detach().numpy() for name, parameter in fusion.named_parameters()}


def samples(stream: Stream) -> list[Any]:
    """The tokens that exist (n, D), sample by sample, for NumPy."""
    if stream.mask is None:
        return list(stream.hidden.detach().numpy())
    return [row[keep.bool()].detach().numpy() for row, keep in zip(stream.hidden, stream.mask, strict=True)]


def mean(tokens: Any) -> Any:
    return tokens.sum(axis=0) / max(len(tokens), 1)


def present(fused: Stream) -> list[torch.Tensor]:
    """Fused tokens that exist, sample by sample."""
    if fused.mask is None:
        return list(fused.hidden)
    return [row[keep.bool()] for row, keep in zip(fused.hidden, fused.mask, strict=True)]


def assert_close(actual: Any, expected: Any) -> None:
    difference = np.abs(np.asarray(actual) - np.asarray(expected)).max()
    assert np.shape(actual) == np.shape(expected)
    assert difference < 1e-9
