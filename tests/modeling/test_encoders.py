from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from torch import nn

from clfa.errors import ModelError
from clfa.modeling.encoders import (
    build_encoder,
    encode_image,
    encode_text,
    encoder_width,
    freeze,
    is_frozen,
    load_config,
    load_encoder,
    pool_grid,
    tokens_of,
)
from clfa.packages.efficientnet_lite import EfficientNetLiteConfig

SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
WORDS: dict[str, Any] = {"vocab_size": 40}
PATCHES: dict[str, Any] = {"image_size": 32, "patch_size": 16}

TEXT_ENCODERS = {
    "bert": tf.BertConfig(**SMALL, **WORDS),
    "distilbert": tf.DistilBertConfig(dim=16, n_layers=2, n_heads=2, hidden_dim=32, **WORDS),
    "roberta": tf.RobertaConfig(**SMALL, **WORDS),
    "electra": tf.ElectraConfig(embedding_size=8, **SMALL, **WORDS),
    "mpnet": tf.MPNetConfig(**SMALL, **WORDS),
    "deberta": tf.DebertaV2Config(**SMALL, **WORDS),
    "clip text tower": tf.CLIPTextConfig(**SMALL, **WORDS),
    "chinese clip text tower": tf.ChineseCLIPTextConfig(**SMALL, **WORDS),
    "metaclip 2 text tower": tf.MetaClip2TextConfig(**SMALL, **WORDS),
}
# With the number of tokens of a picture of 32 x 32 pixels, and the width.
VISION_ENCODERS = {
    "vit": (tf.ViTConfig(**SMALL, **PATCHES), 5, 16),
    "deit": (tf.DeiTConfig(**SMALL, **PATCHES), 6, 16),
    "clip vision tower": (tf.CLIPVisionConfig(**SMALL, **PATCHES), 5, 16),
    "chinese clip vision tower": (tf.ChineseCLIPVisionConfig(**SMALL, **PATCHES), 5, 16),
    "metaclip 2 vision tower": (tf.MetaClip2VisionConfig(**SMALL, **PATCHES), 5, 16),
    "siglip vision tower": (tf.SiglipVisionConfig(**SMALL, **PATCHES), 4, 16),
    "resnet": (tf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1]), 16, 12),
    "convnext": (tf.ConvNextConfig(hidden_sizes=[8, 12], depths=[1, 1], num_stages=2), 16, 12),
    "efficientnet": (tf.EfficientNetConfig(width_coefficient=0.1, depth_coefficient=0.1, hidden_dim=128), 1, 128),
}


@pytest.mark.parametrize("name", TEXT_ENCODERS)
def test_text_encoders(name: str) -> None:
    config = TEXT_ENCODERS[name]
    encoder = build_encoder(config).eval()
    hidden = encode_text(encoder, input_ids=torch.ones(2, 5, dtype=torch.long), attention_mask=torch.ones(2, 5))
    assert encoder_width(config) == 16
    assert hidden.shape == (2, 5, 16)


@pytest.mark.parametrize("name", VISION_ENCODERS)
def test_vision_encoders(name: str) -> None:
    config, tokens, width = VISION_ENCODERS[name]
    encoder = build_encoder(config).eval()
    assert encoder_width(config) == width
    assert encode_image(encoder, torch.rand(2, 3, 32, 32)).shape == (2, tokens, width)


@pytest.mark.parametrize(
    ("config", "width"),
    [
        (tf.BertConfig(), 768),
        (tf.DistilBertConfig(dim=512, hidden_dim=2048, n_heads=8), 512),
        (tf.CLIPVisionConfig(hidden_size=1024, num_attention_heads=16, projection_dim=768), 1024),
        (tf.ResNetConfig(), 2048),
        (tf.EfficientNetConfig(), 2560),
        (EfficientNetLiteConfig(), 1280),
    ],
)
def test_width_from_the_configuration(config: tf.PreTrainedConfig, width: int) -> None:
    assert encoder_width(config) == width


def test_a_configuration_that_does_not_tell_its_width() -> None:
    with pytest.raises(ModelError, match="cannot tell the feature width of a 'mobilenet_v2' encoder"):
        encoder_width(tf.MobileNetV2Config())


def test_no_pooler_that_nobody_reads() -> None:
    texts = (TEXT_ENCODERS[name] for name in ("bert", "roberta", "chinese clip text tower"))
    for config in (*texts, VISION_ENCODERS["vit"][0]):
        assert not [name for name, _ in build_encoder(config).named_parameters() if "pooler" in name]


def test_grid_cells_become_tokens_row_by_row() -> None:
    grid = torch.arange(6.0).reshape(1, 1, 2, 3).repeat(1, 4, 1, 1) + 10 * torch.arange(4.0).reshape(1, 4, 1, 1)
    tokens = tokens_of(grid)
    assert tokens.shape == (1, 6, 4)
    assert tokens[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert tokens[0, 5].tolist() == [5, 15, 25, 35]
    assert tokens_of(tokens) is tokens


def test_vit_tokens_are_after_its_last_norm() -> None:
    encoder = build_encoder(VISION_ENCODERS["vit"][0]).eval()
    tokens = encode_image(encoder, torch.rand(2, 3, 32, 32))
    torch.testing.assert_close(tokens.mean(-1), torch.zeros(2, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(tokens.var(-1, correction=0), torch.ones(2, 5), atol=1e-3, rtol=0)


@pytest.mark.parametrize("family", ["clip", "chinese clip", "metaclip 2"])
def test_clip_vision_tokens_get_the_norm_of_the_pooled_output(family: str) -> None:
    encoder = build_encoder(VISION_ENCODERS[f"{family} vision tower"][0]).eval()
    pixels = torch.rand(2, 3, 32, 32)
    tokens = encode_image(encoder, pixels)
    torch.testing.assert_close(tokens[:, 0], encoder(pixel_values=pixels).pooler_output)
    torch.testing.assert_close(tokens.mean(-1), torch.zeros(2, 5), atol=1e-5, rtol=0)


# Freezing.


def frozen_names(encoder: nn.Module) -> set[str]:
    return {name for name, parameter in encoder.named_parameters() if not parameter.requires_grad}


def test_freezing_nothing_and_everything() -> None:
    encoder = build_encoder(TEXT_ENCODERS["bert"])
    freeze(encoder, False)
    assert frozen_names(encoder) == set()
    assert not is_frozen(encoder)
    freeze(encoder, True)
    assert frozen_names(encoder) == {name for name, _ in encoder.named_parameters()}
    assert is_frozen(encoder)


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("bert", "encoder.layer.{}."),
        ("distilbert", "transformer.layer.{}."),
        ("clip text tower", "layers.{}."),
        ("vit", "layers.{}."),
    ],
)
def test_freezing_the_lowest_layers_with_the_embeddings(name: str, layer: str, count: int) -> None:
    config = TEXT_ENCODERS[name] if name in TEXT_ENCODERS else VISION_ENCODERS[name][0]
    encoder = build_encoder(config)
    freeze(encoder, count)
    lowest = [layer.format(number) for number in range(count)]
    names = {name for name, _ in encoder.named_parameters()}
    expected = {n for n in names if "embeddings." in n or any(part in n for part in lowest)}
    assert frozen_names(encoder) == expected
    assert count == 0 or any(lowest[0] in n for n in expected)


def test_one_is_a_number_of_layers_and_not_true() -> None:
    encoder = build_encoder(TEXT_ENCODERS["bert"])
    freeze(encoder, 1)
    assert not is_frozen(encoder)


@pytest.mark.parametrize(
    ("config", "extent", "message"),
    [
        (TEXT_ENCODERS["bert"], 3, "cannot freeze the lowest 3 layers of BertModel: it has 2 layers"),
        (TEXT_ENCODERS["bert"], -1, "cannot freeze the lowest -1 layers of BertModel: it has 2 layers"),
        (VISION_ENCODERS["resnet"][0], 1, "cannot freeze the lowest 1 layers of ResNetModel: it has no layers"),
        (VISION_ENCODERS["convnext"][0], 1, "cannot freeze the lowest 1 layers of ConvNextModel: it has no layers"),
    ],
)
def test_layers_that_are_not_there(config: tf.PreTrainedConfig, extent: int, message: str) -> None:
    encoder = build_encoder(config)
    with pytest.raises(ModelError, match=message):
        freeze(encoder, extent)
    assert frozen_names(encoder) == set()


# Loading.


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() <= theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_directory_saved_with_save_pretrained(tiny_bert_dir: Path, tiny_vit_dir: Path) -> None:
    text, vision = load_encoder(tiny_bert_dir, "text"), load_encoder(str(tiny_vit_dir), "vision")
    assert isinstance(text, tf.BertModel)
    assert isinstance(vision, tf.ViTModel)
    assert text.pooler is None
    assert same_weights(text, tf.BertModel.from_pretrained(tiny_bert_dir))
    assert same_weights(vision, tf.ViTModel.from_pretrained(tiny_vit_dir))
    assert load_config(tiny_bert_dir).hidden_size == 16


@pytest.mark.parametrize("family", ["CLIP", "ChineseCLIP", "MetaClip2"])
def test_the_towers_of_a_two_tower_directory(family: str, tmp_path: Path) -> None:
    config = getattr(tf, f"{family}Config")(text_config={**SMALL, **WORDS}, vision_config={**SMALL, **PATCHES})
    whole = getattr(tf, f"{family}Model")(config).eval()
    whole.save_pretrained(tmp_path)
    text, vision = load_encoder(tmp_path, "text").eval(), load_encoder(tmp_path, "vision").eval()
    assert type(text) is getattr(tf, f"{family}TextModel")
    assert type(vision) is getattr(tf, f"{family}VisionModel")
    ids, pixels = torch.tensor([[18, 5, 9, 19]]), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = whole.text_model(input_ids=ids).last_hidden_state
        torch.testing.assert_close(encode_text(text, input_ids=ids), expected)
        # As a saved model is loaded: from the tower's configuration, and its weights.
        again = build_encoder(text.config).eval()
        again.load_state_dict(text.state_dict())
        torch.testing.assert_close(encode_text(again, input_ids=ids), expected)
        pooled = whole.vision_model(pixel_values=pixels).pooler_output
        torch.testing.assert_close(encode_image(vision, pixels)[:, 0], pooled)


@pytest.mark.parametrize("with_projection", [False, True])
def test_a_tower_saved_alone(tmp_path: Path, with_projection: bool) -> None:
    config = TEXT_ENCODERS["clip text tower"]
    saved = tf.CLIPTextModelWithProjection(config) if with_projection else tf.CLIPTextModel(config)
    saved.save_pretrained(tmp_path)
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        torch.testing.assert_close(
            encode_text(load_encoder(tmp_path, "text").eval(), input_ids=ids),
            saved.eval()(input_ids=ids).last_hidden_state,
        )


def test_a_classifier_serves_as_an_encoder(tmp_path: Path) -> None:
    classifier = tf.ViTForImageClassification(VISION_ENCODERS["vit"][0])
    classifier.save_pretrained(tmp_path)
    assert same_weights(load_encoder(tmp_path, "vision"), classifier.vit)


def test_pool_grid_averages_cells() -> None:
    tokens = torch.arange(16.0).reshape(1, 16, 1)
    pooled = pool_grid(tokens, 2)
    np.testing.assert_array_equal(pooled[0, :, 0].numpy(), [2.5, 4.5, 10.5, 12.5])
    assert pool_grid(tokens, None) is tokens
    assert pool_grid(tokens, 4) is tokens
    torch.testing.assert_close(pool_grid(tokens, 1)[0, 0, 0], torch.tensor(7.5))


@pytest.mark.parametrize(("count", "size"), [(50, 3), (9, 4)])
def test_pool_grid_refuses(count: int, size: int) -> None:
    with pytest.raises(ModelError, match=f"image_grid_size={size} does not fit {count} image tokens"):
        pool_grid(torch.zeros(1, count, 2), size)
