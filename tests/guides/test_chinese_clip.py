"""Chinese CLIP (``OFA-Sys/chinese-clip-*``), whose text tower is a BERT, as guide and as encoders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BertTokenizerFast, ChineseCLIPConfig, ChineseCLIPModel
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import ChineseCLIPImageProcessorPil

from clfa import CLFAForClassification, CLFAProcessor, CLIPGuide

TEXTS = ["星期一的早上真好", "我爱下雨"]
PICTURES = [Image.new("RGB", (40, 30), "red"), Image.new("RGB", (20, 30), "blue")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a random ChineseCLIPModel with its word pieces, one a character, and its image processor."""
    path = tmp_path_factory.mktemp("tiny-chinese-clip")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set("".join(TEXTS)))]
    (path / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    small = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    config = ChineseCLIPConfig(
        text_config={"vocab_size": len(pieces), "hidden_size": 16, "max_position_embeddings": 64, **small},
        vision_config={"image_size": 32, "patch_size": 16, "hidden_size": 24, **small},
        projection_dim=12,
    )
    ChineseCLIPModel(config).save_pretrained(path)
    BertTokenizerFast(vocab=str(path / "vocab.txt")).save_pretrained(path)
    size = {"height": 32, "width": 32}
    ChineseCLIPImageProcessorPil(size=size, crop_size=size).save_pretrained(path)
    return path


def test_the_guide_gives_the_models_own_embeddings(folder: Path) -> None:
    guide = CLIPGuide(folder)
    inputs = guide.tokenizer(TEXTS, padding=True, return_tensors="pt")
    pixels = guide.image_processor(images=PICTURES, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        output = ChineseCLIPModel.from_pretrained(folder).eval()(**inputs, pixel_values=pixels)
    for found, expected in (
        (guide.embed_texts(TEXTS), output.text_embeds),
        (guide.embed_images(PICTURES), output.image_embeds),
    ):
        assert found.shape == (2, 12)
        # The model's are normalised, as the guided loss does.
        normalised = found / np.linalg.norm(found, axis=1, keepdims=True)
        assert np.allclose(normalised, expected.numpy(), atol=1e-5)


def test_a_text_has_the_same_embedding_alone_and_beside_a_longer_one(folder: Path) -> None:
    guide = CLIPGuide(folder)
    assert np.allclose(guide.embed_texts(TEXTS)[1], guide.embed_texts(TEXTS[1:])[0], atol=1e-5)


@pytest.mark.parametrize("text", ["bert", "its own"])
def test_its_towers_are_encoders(text: str, folder: Path, tiny_bert_dir: Path, tmp_path: Path) -> None:
    texts = tiny_bert_dir if text == "bert" else folder
    model = CLFAForClassification.from_encoders(texts, folder, ["no", "yes"], hidden_size=16, num_attention_heads=2)
    inputs = CLFAProcessor.from_encoders(texts, folder, max_length=32)(text=TEXTS, images=PICTURES)
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        logits = model.eval()(**inputs).logits
        again = CLFAForClassification.from_pretrained(tmp_path).eval()(**inputs).logits
    assert logits.shape == (2, 2)
    assert torch.equal(logits, again)
