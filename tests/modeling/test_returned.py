from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

from clfa import Fusion, Readout
from clfa.errors import ModelError
from clfa.modeling import CLFAConfig, CLFAForClassification
from clfa.modeling.baselines import BASELINES
from clfa.modeling.baselines.base import Baseline
from clfa.modeling.fusion import FUSIONS, Stream
from clfa.modeling.pooling import POOLINGS
from clfa.modeling.readout import READOUTS
from clfa.registry import Registry

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put an object under the name ``mine`` into a registry, and run a model with it."""

    def run(registry: Registry, value: Any, **options: Any) -> Any:
        monkeypatch.setitem(registry._entries, "mine", value)
        config = CLFAConfig(
            text_config={"model_type": "bert", "vocab_size": 10, **SMALL},
            vision_config={"model_type": "vit", "image_size": 32, "patch_size": 16, **SMALL},
            hidden_size=8,
            projection_hidden_size=8,
            num_attention_heads=2,
            intermediate_size=8,
            num_fusion_layers=1,
            num_labels=3,
            **{registry.kind: "mine"},
            **options,
        )
        model = CLFAForClassification(config).eval()
        return model(input_ids=torch.ones(2, 4, dtype=torch.long), pixel_values=torch.zeros(2, 3, 32, 32)).logits

    return run


def fusion(answer: Any) -> type[Fusion]:
    class Mine(Fusion):
        def forward(self, streams: dict[str, Stream]) -> Stream:
            return answer(streams["text"].hidden)

    return Mine


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (lambda hidden: hidden, "a tensor (2, 4, 8)"),
        (lambda hidden: Stream(hidden[:, 0]), "a Stream whose hidden is a tensor (2, 8)"),
        (lambda hidden: Stream(hidden[..., :4]), "a Stream whose hidden is a tensor (2, 4, 4)"),
        (lambda hidden: Stream(None), "a Stream whose hidden is None"),
        (lambda hidden: {"hidden": hidden}, "a dict"),
    ],
    ids=["tensor", "vectors", "width", "nothing", "dict"],
)
def test_a_fusion_returns_a_stream(use: Any, answer: Any, shown: str) -> None:
    said = re.escape(f"fusion 'mine' returned {shown}; it has to return a Stream of tokens (batch, tokens, 8).")
    with pytest.raises(ModelError, match=f"^{said}$"):
        use(FUSIONS, fusion(answer))


def test_one_that_does_is_taken(use: Any) -> None:
    assert use(FUSIONS, fusion(lambda hidden: Stream(hidden))).shape == (2, 3)


def test_a_baseline_returns_a_stream(use: Any) -> None:
    class Mine(Baseline):
        def forward(self, streams: dict[str, Stream]) -> Stream:
            return streams["text"]

    with pytest.raises(ModelError, match=r"^baseline 'mine' returned a Stream whose hidden is a tensor \(2, 4, 16\)"):
        use(BASELINES, Mine)


def test_a_pooling_returns_vectors(use: Any) -> None:
    class Mine(nn.Module):
        def __init__(self, hidden_size: int) -> None:
            super().__init__()

        def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
            return tokens

    said = r"^pooling 'mine' returned a tensor \(2, \d+, 8\); it has to return a tensor \(batch, 8\)\.$"
    with pytest.raises(ModelError, match=said):
        use(POOLINGS, Mine)


def test_a_readout_returns_logits(use: Any) -> None:
    class Mine(Readout):
        def forward(self, logits: torch.Tensor, students: Any) -> torch.Tensor:
            return logits[:, 0]

    with pytest.raises(
        ModelError, match=r"^readout 'mine' returned a tensor \(2,\); it has to return a tensor \(batch"
    ):
        use(READOUTS, Mine)
