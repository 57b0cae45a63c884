from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import (
    BertConfig,
    BertTokenizerFast,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
)
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from clfa.errors import ModelError, RecipeError
from clfa.knowledge.caption import CaptionSource
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.knowledge.texts import KnowledgeTexts
from vocabularies import tiny_vocab


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random vision encoder-decoder with its image processor and tokenizer."""
    folder = tmp_path_factory.mktemp("captioner")
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    tokenizer = BertTokenizerFast(vocab=tiny_vocab())
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        ViTConfig(image_size=32, patch_size=16, **small),
        BertConfig(vocab_size=len(tokenizer), is_decoder=True, add_cross_attention=True, **small),
    )
    torch.manual_seed(3)
    model = VisionEncoderDecoderModel(config)
    model.generation_config.decoder_start_token_id = tokenizer.cls_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.sep_token_id
    with torch.no_grad():
        # Larger than initialised, so that pictures matter to the words.
        for parameter in model.parameters():
            parameter.mul_(8)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def pictures() -> list[Image.Image]:
    return [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "white")]


def test_captions_are_the_models_own(captioner: Path) -> None:
    source = CaptionSource.from_recipe(KnowledgeRecipe(caption_model=str(captioner), caption_max_tokens=6))
    found = source.describe(pictures())
    model = VisionEncoderDecoderModel.from_pretrained(captioner).eval()
    tokenizer = BertTokenizerFast.from_pretrained(captioner)
    processor = ViTImageProcessorPil.from_pretrained(captioner)
    for picture, text in zip(pictures(), found, strict=True):
        # Greedy decoding by hand.
        ids = [tokenizer.cls_token_id]
        pixels = processor(images=[picture], return_tensors="pt")["pixel_values"]
        for _ in range(6):
            with torch.no_grad():
                logits = model(pixel_values=pixels, decoder_input_ids=torch.tensor([ids])).logits
            ids.append(int(logits[0, -1].argmax()))
            if ids[-1] == tokenizer.sep_token_id:
                break
        assert text == " ".join(tokenizer.decode(ids, skip_special_tokens=True).split())
    assert any(found)


def test_cached_by_model_and_length(captioner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = KnowledgeRecipe(sources=["caption"], caption_model=str(captioner), caption_max_tokens=6)
    first = KnowledgeTexts(recipe, tmp_path)({"image": pictures()})
    other = CaptionSource.from_recipe(recipe.model_copy(update={"caption_max_tokens": 5}))
    assert other.fingerprint != CaptionSource.from_recipe(recipe).fingerprint
    monkeypatch.setattr(CaptionSource, "describe", lambda *args: pytest.fail("not cached"))
    assert KnowledgeTexts(recipe, tmp_path)({"image": pictures()}) == first


def test_no_model_named() -> None:
    with pytest.raises(RecipeError, match=r"caption needs knowledge\.caption_model"):
        CaptionSource.from_recipe(KnowledgeRecipe())


def test_no_such_model(tmp_path: Path, tiny_vit_dir: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        CaptionSource.from_recipe(KnowledgeRecipe(caption_model=str(tmp_path / "absent")))
    with pytest.raises(ModelError, match="cannot load AutoModelForImageTextToText"):
        CaptionSource.from_recipe(KnowledgeRecipe(caption_model=str(tiny_vit_dir)))


def test_a_model_of_another_mind(captioner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = CaptionSource.from_recipe(KnowledgeRecipe(caption_model=str(captioner)))
    monkeypatch.setattr(source.model, "generate", lambda **kwargs: torch.zeros(1, 2, dtype=torch.long))
    with pytest.raises(ModelError, match="returned 1 captions for 3 images"):
        source.describe(pictures())
