"""Model directories with random weights, and the recipes that use them: times do not depend on what was learnt."""

from __future__ import annotations

import json
import shutil
import string
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    CLIPConfig,
    CLIPModel,
    CLIPTokenizerFast,
    ViTConfig,
    ViTModel,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from benchmarks.floors import Shape

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}

# Encoders and head by size. "paper" is CLFA's, "small" has the same parts and takes a hundredth of the work.
_ENCODERS: dict[str, dict[str, int]] = {
    "paper": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "small": {"hidden_size": 192, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 768},
}
_VOCABULARY = {"paper": 30522, "small": 2000}
_HEADS: dict[str, list[str]] = {
    "paper": [],
    "small": [
        "model.hidden_size=128",
        "model.projection_hidden_size=384",
        "model.intermediate_size=512",
        "model.num_attention_heads=4",
        "model.num_fusion_layers=2",
    ],
}
SHAPES = {
    "paper": Shape(),
    "small": Shape(3, 192, 768, 3, 192, 768, projection=384, width=128, fusion_layers=2, fusion_inner=512),
    # MiniLM and EfficientNet-Lite0 (3 x 3 cells), whose features are read from the cache.
    "offline": Shape(6, 384, 1536, 0, 1280, 0, 9, 0, 256, 128, 2, 256, 2),
}


def vocabulary(size: int) -> dict[str, int]:
    """Words ``w0``, ``w1``, ... after BERT's special tokens: one token per word."""
    return {word: number for number, word in enumerate([*SPECIALS, *(f"w{i}" for i in range(size - len(SPECIALS)))])}


def write_encoders(directory: Path, size: str, clip: bool = True) -> Path:
    """Make ``bert``, ``vit``, ``vit-dropout`` and ``clip`` below ``directory``, unless they are there.

    ``vit-dropout`` has ``vit``'s weights and the dropout of 0.1 that the authors' own vision transformer has.

    Args:
        directory: Folder to make.
        size: ``paper`` (BERT-base, ViT-B/32, CLIP ViT-B/32) or ``small``.
        clip: Whether the guide is wanted, too.

    Returns:
        ``directory``.
    """
    torch.manual_seed(0)
    sizes = _ENCODERS[size]
    if not (directory / "vit-dropout").is_dir():
        words = vocabulary(_VOCABULARY[size])
        BertModel(BertConfig(vocab_size=_VOCABULARY[size], **sizes)).save_pretrained(directory / "bert")
        BertTokenizerFast(vocab=words).save_pretrained(directory / "bert")
        # The authors' tokenizer class reads the old format.
        (directory / "bert" / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
        # The authors' epsilon; that of the published checkpoint differs from it by less than rounding does.
        vit = ViTModel(ViTConfig(patch_size=32, image_size=224, layer_norm_eps=1e-6, **sizes), add_pooling_layer=False)
        vit.save_pretrained(directory / "vit")
        ViTImageProcessorPil(size={"height": 224, "width": 224}, **IMAGENET).save_pretrained(directory / "vit")
        shutil.copytree(directory / "vit", directory / "vit-dropout")
        path = directory / "vit-dropout" / "config.json"
        config = json.loads(path.read_text(encoding="utf-8")) | {"hidden_dropout_prob": 0.1}
        path.write_text(json.dumps(config), encoding="utf-8")
    if clip and not (directory / "clip").is_dir():
        _write_clip(directory / "clip", size)
    return directory


def _write_clip(directory: Path, size: str) -> None:
    vision = _ENCODERS[size]
    # The text tower of CLIP ViT-B/32 is narrower than the vision tower.
    text = vision if size == "small" else vision | {"hidden_size": 512, "num_attention_heads": 8}
    text = text if size == "small" else text | {"intermediate_size": 2048}
    letters = string.ascii_lowercase + string.digits
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizerFast(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[])
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = CLIPConfig(
        text_config={"vocab_size": 49408 if size == "paper" else 1000, "max_position_embeddings": 77, **text, **ids},
        vision_config={"patch_size": 32, "image_size": 224, **vision},
        projection_dim=512 if size == "paper" else 128,
    )
    CLIPModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    CLIPImageProcessorPil().save_pretrained(directory)


def recipe_of(architecture: str, directory: Path, data: Path) -> tuple[str, list[str]]:
    """Name of a recipe and the overrides that make it run on synthetic posts with random weights.

    Args:
        architecture: ``paper`` or ``small`` (the paper's recipe), or ``offline`` (packaged, pretrained encoders).
        directory: Of :func:`write_encoders`; not read for ``offline``.
        data: Table of posts.
    """
    overrides = [f"data.dir={data}", "data.reader=table"]
    if architecture == "offline":
        return "offline", overrides
    places = (("text_encoder", "bert"), ("vision_encoder", "vit"))
    overrides += [f"model.{field}={directory / folder}" for field, folder in places]
    overrides += [f"guide={{name: clip, model: {directory / 'clip'}}}", *_HEADS[architecture]]
    return "paper-mmsd", overrides


class RandomGuide:
    """Embeddings drawn at random, for measurements in which the guide's own work has no part."""

    name = "random"
    fingerprint = "random"

    def __init__(self, dim: int = 512) -> None:
        self.dim = dim

    def embed_pairs(self, pairs: Any, cache: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Two arrays (N, ``dim``) in float32; the same for the same number of pairs."""
        draw = np.random.default_rng(len(pairs)).standard_normal
        return draw((len(pairs), self.dim), np.float32), draw((len(pairs), self.dim), np.float32)
