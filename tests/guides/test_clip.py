from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoImageProcessor,
    AutoModel,
    AutoTokenizer,
    BertTokenizerFast,
    SiglipConfig,
    SiglipModel,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from clfa.data.images import load_image
from clfa.errors import ImageError, ModelError, RecipeError
from clfa.guides import GUIDES, GuideContext
from clfa.guides.base import Pairs
from clfa.guides.clip import CLIPGuide
from posts import COLOURS, picture

TEXTS = ["so sunny", "a", "what a lovely day " * 40, "so sunny"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("clip-pictures")
    paths = [picture(folder / f"{colour}.png", colour) for colour in COLOURS]
    # The last two have equal content under two names.
    shutil.copy(paths[0], folder / "copy.png")
    return [{"bytes": None, "path": str(path)} for path in [*paths[:3], folder / "copy.png"]]


@pytest.fixture(scope="module")
def tiny_siglip_dir(tmp_path_factory: pytest.TempPathFactory, tiny_bert_dir: Path) -> Path:
    directory = tmp_path_factory.mktemp("tiny-siglip")
    tokenizer = BertTokenizerFast.from_pretrained(tiny_bert_dir)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(4)
    config = SiglipConfig(
        text_config={
            **shape,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 24,
            "projection_size": 16,
            "pad_token_id": 0,
            "bos_token_id": 2,
            "eos_token_id": 3,
        },
        vision_config={**shape, "image_size": 32, "patch_size": 16},
    )
    SiglipModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(directory)
    return directory


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def model_outputs(directory: Path, pictures: list[Any], **padding: Any) -> tuple[np.ndarray, np.ndarray]:
    """``text_embeds`` and ``image_embeds`` of the whole model's forward pass, which Transformers L2-normalises."""
    inputs = dict(AutoTokenizer.from_pretrained(directory)(TEXTS, truncation=True, return_tensors="pt", **padding))
    inputs.pop("token_type_ids", None)
    if padding["padding"] == "max_length":
        # The tokenizers of SigLIP on the hub give no mask.
        inputs.pop("attention_mask")
    images = AutoImageProcessor.from_pretrained(directory)([load_image(p) for p in pictures], return_tensors="pt")
    with torch.no_grad():
        outputs = AutoModel.from_pretrained(directory).eval()(**inputs, pixel_values=images["pixel_values"])
    return outputs.text_embeds.numpy(), outputs.image_embeds.numpy()


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_embeddings_are_clips_own(tiny_clip_dir: Path, pictures: list[Any], batch_size: int) -> None:
    guide = CLIPGuide(tiny_clip_dir, batch_size=batch_size)
    assert guide.dim == 12
    text_embeds, image_embeds = model_outputs(tiny_clip_dir, pictures, padding=True, max_length=77)
    texts, images = guide.embed_texts(TEXTS), guide.embed_images(pictures)
    assert texts.shape == images.shape == (4, 12)
    assert texts.dtype == images.dtype == np.float32
    np.testing.assert_allclose(unit(texts), text_embeds, atol=1e-5)
    np.testing.assert_allclose(unit(images), image_embeds, atol=1e-5)


def test_embeddings_are_the_projections_before_normalisation(tiny_clip_dir: Path, pictures: list[Any]) -> None:
    guide = CLIPGuide(tiny_clip_dir)
    model = AutoModel.from_pretrained(tiny_clip_dir).eval()
    pixels = AutoImageProcessor.from_pretrained(tiny_clip_dir)([load_image(p) for p in pictures], return_tensors="pt")
    with torch.no_grad():
        pooled = model.vision_model(pixel_values=pixels["pixel_values"]).pooler_output
        expected = model.visual_projection(pooled).numpy()
    np.testing.assert_allclose(guide.embed_images(pictures), expected, atol=1e-5)


def test_siglip_gets_texts_padded_to_full_length(tiny_siglip_dir: Path, pictures: list[Any]) -> None:
    guide = CLIPGuide(tiny_siglip_dir)
    assert (guide.dim, guide.max_length, guide.padding) == (16, 24, "max_length")
    text_embeds, image_embeds = model_outputs(tiny_siglip_dir, pictures, padding="max_length", max_length=24)
    np.testing.assert_allclose(unit(guide.embed_texts(TEXTS)), text_embeds, atol=1e-5)
    np.testing.assert_allclose(unit(guide.embed_images(pictures)), image_embeds, atol=1e-5)


def test_a_model_of_one_tower_is_refused(tiny_bert_dir: Path) -> None:
    with pytest.raises(ModelError, match=r"is a BertModel, not a CLIP-like model.*guide\.name=fitted"):
        CLIPGuide(tiny_bert_dir)


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a model directory"):
        CLIPGuide(tmp_path)


def test_an_unreadable_picture_is_named(tiny_clip_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"absent\.jpg"):
        CLIPGuide(tiny_clip_dir).embed_images([str(tmp_path / "absent.jpg")])


def test_a_misspelt_option_is_refused(tiny_clip_dir: Path, tmp_path: Path) -> None:
    context = GuideContext(cache=tmp_path)
    with pytest.raises(
        RecipeError,
        match=r"unknown key 'guide.modle'; the clip guide takes: model, batch_size. Did you mean 'model'\?",
    ):
        GUIDES.get("clip").from_context(context, modle=str(tiny_clip_dir))
    made = GUIDES.get("clip").from_context(context, model=str(tiny_clip_dir), batch_size=5)
    assert made.batch_size == 5


class Counted(CLIPGuide):
    """Counts the contents that the model is run on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.count = {"text": 0, "image": 0}

    def embed_texts(self, texts: Any) -> np.ndarray:
        if hasattr(self, "count"):
            self.count["text"] += len(texts)
        return super().embed_texts(texts)

    def embed_images(self, images: Any) -> np.ndarray:
        self.count["image"] += len(images)
        return super().embed_images(images)


def test_embeddings_are_computed_once_per_content(tiny_clip_dir: Path, pictures: list[Any], tmp_path: Path) -> None:
    first = Counted(tiny_clip_dir)
    texts, images = first.embed_pairs(Pairs(TEXTS, pictures), tmp_path)
    # Text 3 repeats text 0, picture 3 is a copy of picture 0.
    assert first.count == {"text": 3, "image": 3}
    np.testing.assert_allclose(texts, first.embed_texts(TEXTS), atol=1e-5)
    np.testing.assert_allclose(images, first.embed_images(pictures), atol=1e-5)

    again = Counted(tiny_clip_dir)
    assert again.fingerprint == first.fingerprint
    kept = again.embed_pairs(Pairs([*TEXTS, "new"], [*pictures, pictures[0]]), tmp_path)
    assert again.count == {"text": 1, "image": 0}
    assert np.array_equal(kept[0][:4], texts)
    assert np.array_equal(kept[1], images[[0, 1, 2, 3, 0]])


def test_other_weights_or_preprocessing_are_another_guide(
    tiny_clip_dir: Path, pictures: list[Any], tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(tiny_clip_dir, changed)
    model = AutoModel.from_pretrained(changed)
    with torch.no_grad():
        model.text_projection.weight[0, 0] += 1.0
    model.save_pretrained(changed)
    cropped = tmp_path / "cropped"
    shutil.copytree(tiny_clip_dir, cropped)
    processor = AutoImageProcessor.from_pretrained(cropped)
    processor.do_normalize = False
    processor.save_pretrained(cropped)
    guides = [Counted(place) for place in (tiny_clip_dir, changed, cropped)]
    assert len({guide.fingerprint for guide in guides}) == 3
    pairs = Pairs(TEXTS, pictures)
    results = [guide.embed_pairs(pairs, tmp_path / "cache") for guide in guides]
    assert [guide.count for guide in guides] == [{"text": 3, "image": 3}] * 3
    assert not np.allclose(results[0][0], results[1][0])
    assert not np.allclose(results[0][1], results[2][1])


def test_no_pairs(tiny_clip_dir: Path, tmp_path: Path) -> None:
    texts, images = CLIPGuide(tiny_clip_dir).embed_pairs(Pairs([], []), tmp_path)
    assert texts.shape == images.shape == (0, 12)


def test_pairs_add_up(pictures: list[Any]) -> None:
    whole = Pairs(TEXTS[:1], pictures[:1]) + Pairs(TEXTS[1:], pictures[1:])
    assert len(whole) == 4
    assert (whole.texts, whole.images) == (TEXTS, pictures)
    assert whole.text_keys == Pairs(TEXTS, pictures).text_keys
    assert whole.image_keys[3] == whole.image_keys[0]
