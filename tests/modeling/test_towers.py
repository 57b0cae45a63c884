from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from PIL import Image

from clfa import CLFAForClassification, CLFAProcessor
from clfa.errors import ModelError
from clfa.modeling.encoders import build_encoder, encode_image, encode_text, encoder_width, load_encoder, most_tokens
from clfa.recipe import load_recipe
from clfa.runs.train import train
from two_towers import FAMILIES, POSITIONS, two_tower_dir

TEXTS = ["what a lovely day", "so sunny " * 30]
PICTURES = [Image.new("RGB", (40, 30), "red"), Image.new("RGB", (20, 30), "blue")]
# With the width of their tokens.
TEXT_TOWERS = {"SigLIP": 16, "SigLIP 2 of any shape": 16, "AltCLIP": 20, "dual encoder": 16}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: two_tower_dir(tmp_path_factory.mktemp("towers"), name) for name in FAMILIES}


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_of_a_text_tower(family: str, folders: dict[str, Path]) -> None:
    whole = tf.AutoModel.from_pretrained(folders[family]).eval()
    tower = load_encoder(folders[family], "text").eval()
    ids = torch.tensor([[2, 5, 9, 3]])
    with torch.no_grad():
        found = encode_text(tower, ids)
        torch.testing.assert_close(found, whole.text_model(input_ids=ids).last_hidden_state)
        # As a saved model is loaded: from the tower's configuration, and its weights.
        again = build_encoder(tower.config).eval()
        again.load_state_dict(tower.state_dict())
        torch.testing.assert_close(encode_text(again, ids), found)
    assert found.shape[-1] == encoder_width(tower.config) == TEXT_TOWERS[family]
    assert most_tokens(tower) == POSITIONS


@pytest.mark.parametrize("family", ["AltCLIP", "dual encoder"])
def test_tokens_of_a_vision_tower(family: str, folders: dict[str, Path]) -> None:
    whole = tf.AutoModel.from_pretrained(folders[family]).eval()
    tower = load_encoder(folders[family], "vision").eval()
    pixels = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        found = encode_image(tower, pixels)
        expected = whole.vision_model(pixel_values=pixels)
        if family == "AltCLIP":
            torch.testing.assert_close(found[:, 0], expected.pooler_output)
        else:
            torch.testing.assert_close(found, expected.last_hidden_state)
        again = build_encoder(tower.config).eval()
        again.load_state_dict(tower.state_dict())
        torch.testing.assert_close(encode_image(again, pixels), found)


def test_siglip_reads_every_text_with_its_padding(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = folders["SigLIP"]
    processor = CLFAProcessor.from_encoders(folder, None, max_length=POSITIONS)
    inputs = processor(text=TEXTS)
    whole = tf.SiglipModel.from_pretrained(folder).eval()
    expected = whole.text_model(
        input_ids=processor.tokenizer(
            TEXTS, padding="max_length", truncation=True, max_length=POSITIONS, return_tensors="pt"
        )["input_ids"]
    )
    with torch.no_grad():
        found = encode_text(load_encoder(folder, "text").eval(), inputs["input_ids"], inputs["attention_mask"])
    torch.testing.assert_close(found, expected.last_hidden_state)
    # The last position, the model's own summary of the text, is one of the tokens that the model here reads.
    assert inputs["attention_mask"].shape == (2, POSITIONS)
    assert inputs["attention_mask"].all()
    assert [len(ids) for ids in processor.token_ids(TEXTS)] == [POSITIONS, POSITIONS]
    assert [len(piece.word_of) for piece in processor.pieces(TEXTS)] == [POSITIONS, POSITIONS]

    processor.save_pretrained(tmp_path)
    again = CLFAProcessor.from_pretrained(tmp_path)
    assert again.pad_to_max_length
    assert torch.equal(again(text=TEXTS[:1])["input_ids"], inputs["input_ids"][:1])


@pytest.mark.parametrize("name", ["AltCLIP", "embeddings:SigLIP"])
def test_other_texts_are_padded_to_the_longest(name: str, folders: dict[str, Path]) -> None:
    family = name.removeprefix("embeddings:")
    encoder = name.replace(family, str(folders[family]))
    processor = CLFAProcessor.from_encoders(encoder, None, max_length=POSITIONS)
    assert "pad_to_max_length" not in processor.to_dict()
    assert processor(text=TEXTS[:1])["input_ids"].shape == (1, 6)
    assert processor(text=TEXTS)["attention_mask"].sum(dim=1).tolist() == [6, POSITIONS]


@pytest.mark.parametrize(("family", "frozen"), [("SigLIP", True), ("AltCLIP", False)])
def test_a_training_with_both_towers_and_the_guide(
    family: str, frozen: bool, folders: dict[str, Path], posts_csv: Path, tiny_overrides: list[str], tmp_path: Path
) -> None:
    folder = folders[family]
    recipe = load_recipe(
        "offline",
        [
            *tiny_overrides,
            f"data.dir={posts_csv}",
            f"model.text_encoder={folder}",
            f"model.vision_encoder={folder}",
            f"model.freeze_text_encoder={str(frozen).lower()}",
            f"model.freeze_vision_encoder={str(frozen).lower()}",
            f"guide={{name: clip, model: {folder}}}",
            "model.alpha=0.5",
            "training.epochs=1",
            "training.yardsticks=false",
        ],
    )
    train(recipe, tmp_path / "run")
    model: Any = CLFAForClassification.from_pretrained(tmp_path / "run" / "model").eval()
    processor = CLFAProcessor.from_pretrained(tmp_path / "run" / "model")
    with torch.no_grad():
        logits = model(**processor(text=TEXTS, images=PICTURES)).logits
    again = tmp_path / "again"
    model.save_pretrained(again)
    processor.save_pretrained(again)
    with torch.no_grad():
        inputs = CLFAProcessor.from_pretrained(again)(text=TEXTS, images=PICTURES)
        assert torch.equal(CLFAForClassification.from_pretrained(again).eval()(**inputs).logits, logits)


def _saved(folder: Path, model: Any) -> Path:
    model.save_pretrained(folder)
    return folder


SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 40,
}


def test_towers_that_cannot_be_loaded_alone(tmp_path: Path) -> None:
    vision = {"width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 128}
    tf.AlignConfig(text_config=SMALL, vision_config=vision).save_pretrained(tmp_path)
    message = "holds a 'align_text_model' tower, which cannot be loaded alone. Give another text encoder"
    with pytest.raises(ModelError, match=message):
        load_encoder(tmp_path, "text")


def test_a_vision_tower_that_needs_the_shapes_of_pictures(folders: dict[str, Path]) -> None:
    with pytest.raises(
        ModelError,
        match=r"cannot be the vision encoder: Siglip2VisionModel needs further inputs \(pixel_attention_mask, "
        r"spatial_shapes\), which are not made here\. Give another model as model\.vision_encoder",
    ):
        load_encoder(folders["SigLIP 2 of any shape"], "vision")


def test_a_text_encoder_that_reads_no_pictures(tiny_bert_dir: Path) -> None:
    with pytest.raises(ModelError, match="cannot be the vision encoder: BertModel does not read pictures"):
        load_encoder(tiny_bert_dir, "vision")


def test_a_vision_encoder_that_reads_no_texts(tiny_vit_dir: Path) -> None:
    with pytest.raises(ModelError, match="cannot be the text encoder: ViTModel does not read texts"):
        load_encoder(tiny_vit_dir, "text")


def test_a_model_of_both_modalities_without_towers(tmp_path: Path) -> None:
    small = {name: value for name, value in SMALL.items() if name != "vocab_size"}
    config = tf.FlavaConfig(
        text_config=SMALL,
        image_config={**small, "image_size": 32, "patch_size": 16},
        multimodal_config=small,
        projection_dim=12,
    )
    with pytest.raises(ModelError, match="FlavaModel reads texts and pictures, and its towers cannot be loaded alone"):
        load_encoder(_saved(tmp_path, tf.FlavaModel(config)), "vision")


def test_a_text_model_that_needs_a_decoders_input(tmp_path: Path) -> None:
    config = tf.T5Config(d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, vocab_size=40)
    with pytest.raises(ModelError, match=r"cannot be the text encoder: T5Model fails on a text \(You must"):
        load_encoder(_saved(tmp_path, tf.T5Model(config)), "text")


def test_a_text_model_of_another_width_than_its_configurations(
    tiny_bert_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clfa.modeling.encoders.encoder_width", lambda config: 99)
    with pytest.raises(ModelError, match=r"BertModel returns the shape \(1, 2, 16\) for a text of 2 tokens"):
        load_encoder(tiny_bert_dir, "text")


def test_weights_are_those_of_the_file(folders: dict[str, Path]) -> None:
    whole = tf.AutoModel.from_pretrained(folders["AltCLIP"])
    tower = load_encoder(folders["AltCLIP"], "text")
    np.testing.assert_array_equal(
        tower.transformation.weight.detach().numpy(), whole.text_model.transformation.weight.detach().numpy()
    )
