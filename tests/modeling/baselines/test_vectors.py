from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig, CLIPTextConfig, CLIPVisionConfig, ResNetConfig, ViTConfig

from clfa.modeling import CLFAConfig
from clfa.modeling.baselines.vectors import image_vector, keep_of, knowledge_or_nothing, text_vector
from clfa.modeling.fusion import Stream
from clfa.modeling.static_embeddings import StaticEmbeddingsConfig

HIDDEN = torch.arange(12.0).reshape(2, 3, 2)
MASK = torch.tensor([[1, 1, 0], [1, 1, 1]])


@pytest.mark.parametrize(
    ("encoder", "masked", "unmasked"),
    [
        # [CLS]; the last token that exists; the mean.
        (BertConfig(), [[0, 1], [6, 7]], [[0, 1], [6, 7]]),
        (CLIPTextConfig(), [[2, 3], [10, 11]], [[4, 5], [10, 11]]),
        (StaticEmbeddingsConfig(), [[1, 2], [8, 9]], [[2, 3], [8, 9]]),
    ],
)
def test_text_vector(encoder: Any, masked: list[Any], unmasked: list[Any]) -> None:
    config = CLFAConfig(text_config=encoder.to_dict())
    assert text_vector(Stream(HIDDEN, MASK), config).tolist() == masked
    assert text_vector(Stream(HIDDEN), config).tolist() == unmasked


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        (ViTConfig(), [[0, 1], [6, 7]]),
        (CLIPVisionConfig(), [[0, 1], [6, 7]]),
        (ResNetConfig(), [[1, 2], [8, 9]]),
    ],
)
def test_image_vector(encoder: Any, expected: list[Any]) -> None:
    config = CLFAConfig(vision_config=encoder.to_dict())
    assert image_vector(Stream(HIDDEN, MASK), config).tolist() == expected


def test_keep_of() -> None:
    assert keep_of(Stream(HIDDEN, MASK)).tolist() == [[True, True, False], [True, True, True]]
    assert keep_of(Stream(HIDDEN)).tolist() == [[True] * 3] * 2


def test_knowledge_or_nothing() -> None:
    given = knowledge_or_nothing({"text": Stream(HIDDEN), "knowledge": Stream(HIDDEN, MASK)}, 2)
    assert torch.equal(given.hidden, HIDDEN)
    assert given.mask is not None
    assert given.mask.tolist() == [[True, True, False], [True, True, True]]
    nothing = knowledge_or_nothing({"text": Stream(HIDDEN.double())}, 4)
    assert torch.equal(nothing.hidden, torch.zeros(2, 1, 4, dtype=torch.float64))
    assert nothing.mask is not None
    assert nothing.mask.tolist() == [[False], [False]]
