from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import StrictDataclassFieldValidationError
from transformers import AutoConfig, BertConfig, CLIPTextConfig, PreTrainedConfig, ViTConfig

from clfa.errors import ModelError
from clfa.modeling import CLFAConfig, CLFAModel

TEXT: dict[str, Any] = {"text_config": BertConfig(hidden_size=32, num_attention_heads=2).to_dict()}
IMAGE: dict[str, Any] = {"vision_config": ViTConfig(hidden_size=48).to_dict()}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pooling": "median"}, "pooling is 'median'; choose one of mean, cls, max"),
        ({"hidden_size": 10, "num_attention_heads": 4}, "hidden_size 10 is not a multiple of num_attention_heads 4"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be at least 0.0001"),
        ({"temperature": -1.0}, "temperature is -1.0; it must be at least 0.0001"),
        ({"text_config": None, "use_knowledge": True}, "use_knowledge needs a text encoder"),
    ],
)
def test_impossible_values_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CLFAConfig(**(TEXT | IMAGE | fields))


@pytest.mark.parametrize("fields", [{"num_fusion_layers": "three"}, {"alpha": "1"}, {"use_knowledge": "no"}])
def test_a_value_of_another_type_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(StrictDataclassFieldValidationError, match=f"'{next(iter(fields))}' expected"):
        CLFAConfig(**TEXT, **fields)


def test_whole_numbers_serve_as_weights() -> None:
    config = CLFAConfig(**TEXT, alpha=0, beta=2, temperature=1, guide_dim=12)
    assert (config.alpha, config.beta, config.temperature, config.guide_dim) == (0, 2, 1, 12)


def test_a_model_needs_a_modality() -> None:
    with pytest.raises(ModelError, match="text_config, vision_config, or both"):
        CLFAModel(CLFAConfig())


@pytest.mark.parametrize(
    ("fields", "modalities"),
    [(TEXT, ("text",)), (IMAGE, ("image",)), (TEXT | IMAGE, ("text", "image")), ({}, ())],
)
def test_modalities(fields: dict[str, Any], modalities: tuple[str, ...]) -> None:
    assert CLFAConfig(**fields).modalities == modalities


def test_encoder_configurations_become_objects_of_their_own_class() -> None:
    text = CLIPTextConfig(hidden_size=32, num_attention_heads=2)
    config = CLFAConfig(text_config=text.to_dict(), vision_config=ViTConfig(hidden_size=48))
    assert isinstance(config.text_config, CLIPTextConfig)
    assert config.text_config.hidden_size == 32
    assert isinstance(config.vision_config, ViTConfig)
    assert config.vision_config.hidden_size == 48


def changed() -> CLFAConfig:
    """Every field that has a default at another value."""
    return CLFAConfig(
        **TEXT,
        **IMAGE,
        hidden_size=64,
        projection_hidden_size=96,
        text_feature_dropout=0.2,
        projection_layer_norm=True,
        num_fusion_layers=1,
        num_attention_heads=4,
        intermediate_size=128,
        hidden_act="relu",
        layer_norm_eps=1e-6,
        hidden_dropout_prob=0.3,
        attention_probs_dropout_prob=0.4,
        classifier_dropout=0.5,
        pooling="max",
        use_knowledge=True,
        guide_dim=12,
        alpha=0.5,
        beta=2.0,
        temperature=0.07,
        label_smoothing=0.1,
        freeze_text_encoder=3,
        freeze_vision_encoder=True,
        id2label={0: "calm", 1: "sarcastic"},
        label2id={"calm": 0, "sarcastic": 1},
    )


def test_round_trip_through_json(tmp_path: Path) -> None:
    config = changed()
    config.save_pretrained(tmp_path)
    loaded = CLFAConfig.from_pretrained(tmp_path)
    assert loaded.to_dict() == config.to_dict()
    assert (loaded.freeze_text_encoder, loaded.freeze_vision_encoder) == (3, True)
    assert loaded.freeze_vision_encoder is True
    assert loaded.id2label == {0: "calm", 1: "sarcastic"}
    assert loaded.num_labels == 2
    assert isinstance(loaded.text_config, BertConfig)


def test_an_absent_modality_stays_absent(tmp_path: Path) -> None:
    CLFAConfig(**IMAGE).save_pretrained(tmp_path)
    assert CLFAConfig.from_pretrained(tmp_path).modalities == ("image",)


def test_auto_config_knows_it(tmp_path: Path) -> None:
    changed().save_pretrained(tmp_path)
    loaded: PreTrainedConfig = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is CLFAConfig
    assert loaded.hidden_size == 64


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"class_weights": [math.nan, 1.0]}, "class_weights are .*; they must be finite numbers"),
        ({"class_weights": [math.inf, 1.0]}, "class_weights are .*; they must be finite numbers"),
        ({"layer_norm_eps": math.nan}, "layer_norm_eps is nan; it must be a number from 0 to 1"),
        ({"layer_norm_eps": -1}, "layer_norm_eps is -1; it must be a number from 0 to 1"),
        ({"guide_dim": 0}, "guide_dim is 0; it must be a number from 1 to 1,000,000"),
        ({"guide_dim": 10**12}, "guide_dim is 1000000000000; it must be"),
    ],
)
def test_numbers_have_bounds(fields: dict[str, Any], message: str) -> None:
    encoders = {"text_config": BertConfig().to_dict(), "vision_config": ViTConfig().to_dict()}
    with pytest.raises(ValueError, match=message):
        CLFAConfig(**encoders, **fields)
