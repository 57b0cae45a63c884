from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    ChineseCLIPTextConfig,
    ChineseCLIPTextModel,
    CLIPTextConfig,
    CLIPTextModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
)

from clfa.modeling.encoders import most_tokens
from clfa.recipe import load_recipe
from clfa.runs.encoders import load_encoders

SMALL = {
    "vocab_size": 20,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 8,
}


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        (BertModel(BertConfig(max_position_embeddings=32, **SMALL)), 32),
        (RobertaModel(RobertaConfig(max_position_embeddings=34, pad_token_id=1, **SMALL)), 32),
        (CLIPTextModel(CLIPTextConfig(max_position_embeddings=32, **SMALL)), 32),
        (ChineseCLIPTextModel(ChineseCLIPTextConfig(max_position_embeddings=32, **SMALL)), 32),
    ],
)
def test_more_tokens_than_positions_are_an_error_of_the_encoder(encoder: PreTrainedModel, expected: int) -> None:
    assert most_tokens(encoder) == expected
    assert encoder(input_ids=torch.full((1, expected), 5)).last_hidden_state.shape == (1, expected, 8)
    with pytest.raises((IndexError, RuntimeError, ValueError)):
        encoder(input_ids=torch.full((1, expected + 1), 5))


def test_relative_positions_have_no_limit() -> None:
    config = T5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    assert most_tokens(T5EncoderModel(config)) is None


def test_texts_are_cut_where_the_encoder_has_no_more_positions(
    tiny_overrides: list[str], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    recipe = load_recipe("offline", [*tiny_overrides, "model.max_length=200", "model.knowledge_max_length=200"])
    with caplog.at_level(logging.WARNING):
        encoders = load_encoders(recipe, tmp_path)
    assert (encoders.processor.max_length, encoders.processor.knowledge_max_length) == (128, 200)
    assert "model.max_length is 200, and" in caplog.text
    assert "has positions for 128 tokens: longer texts are cut there." in caplog.text
    encoded = encoders.processor(text=["so " * 300], images=None)
    assert encoded["input_ids"].shape == (1, 128)
