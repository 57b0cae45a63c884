"""Inputs of the golden recordings: synthetic posts and tiny encoders, equal on every machine.

Nothing here uses the package under test, and no weight comes from a library's initialisation: every tensor is drawn
from NumPy's generator, seeded by its name.
"""

from __future__ import annotations

import csv
import json
import string
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "white": (235, 235, 235)}
EMOTIONS = {"red": "anger", "green": "joy", "blue": "anger|sadness", "white": "|"}
SPLITS = ("train", "train", "validation", "test")


def seeded_array(name: str, shape: Iterable[int], scale: float = 0.3) -> np.ndarray:
    """A normally distributed float32 array that depends on ``name`` and ``shape`` alone."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    return np.asarray(generator.standard_normal(tuple(shape)) * scale, dtype=np.float32)


def fill_weights(module: torch.nn.Module, prefix: str, scale: float = 0.3) -> None:
    """Replace all floating point parameters and buffers of ``module`` by seeded ones; norms stay near one."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                values = torch.from_numpy(seeded_array(f"{prefix}.{name}", tensor.shape, scale))
                tensor.copy_(1 + values if "norm" in name.lower() and name.endswith("weight") else values)


def make_posts(folder: Path, count: int = 64, suffix: str = "png") -> list[dict[str, Any]]:
    """``count`` posts with pictures in ``folder/images``: half train, a quarter each validation and test.

    The text says "great" or "bad" and names the picture's colour. ``label`` is "good" where it says "great", and so is
    ``sarcasm`` "yes"; ``emotions`` follow the colour; ``intensity`` depends on both. Some texts have a hashtag, some
    posts a ``knowledge`` text. Pictures are stored without loss: decoding gives the same pixels everywhere.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    posts = []
    for number in range(count):
        label, shade = number % 2, (number // 2) % 4
        colour = list(COLOURS)[shade]
        noise = np.random.default_rng(number).integers(-20, 20, (10, 12, 3))
        pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.{suffix}")
        words = f"what a {('bad', 'great')[label]} {colour} day {number}" + " so sunny today" * (number % 3)
        posts.append(
            {
                "id": f"p{number}",
                "text": words + (" #BadDay" if number % 5 == 0 else ""),
                "image": f"images/{number}.{suffix}",
                "label": ("bad", "good")[label],
                "sarcasm": ("no", "yes")[label],
                "emotions": EMOTIONS[colour],
                "intensity": f"{10 * label + shade / 2:g}",
                "knowledge": "" if number % 3 else f"good dog {number}",
                "split": SPLITS[(number // 8) % 4],
            }
        )
    return posts


def with_gaps(posts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The posts, where of every eight one lacks its text, one its picture and one both."""
    gappy = [dict(post) for post in posts]
    for number, post in enumerate(gappy):
        if number % 8 in (0, 3):
            post["text"] = ""
        if number % 8 in (1, 3):
            post["image"] = ""
    return gappy


def with_unlabelled(posts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The posts, where each of the three targets is missing from every sixteenth training post."""
    rows = [dict(post) for post in posts]
    for number, row in enumerate(rows):
        if row["split"] == "train" and number % 32 in (1, 2, 3):
            row[("sarcasm", "emotions", "intensity")[number % 32 - 1]] = ""
    return rows


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_lexicon(path: Path) -> Path:
    """Write a lexicon in VADER's form."""
    path.write_text("great\t3\nbad\t-2\nred\t-1\ngreen\t1\ngood\t2\nsunny\t1.5\n", encoding="utf-8")
    return path


def bert_vocabulary() -> dict[str, int]:
    """A word-piece vocabulary that spells every word of ASCII letters and digits."""
    characters = string.ascii_lowercase + string.digits
    words = ("so", "sunny", "today", "what", "a", "day", "cat", "dog", "good", "bad", "great", "the", *COLOURS)
    specials = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    pieces = [*specials, *words, *characters, *("##" + c for c in characters), *"!?.,'#@"]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def make_bert(directory: Path) -> Path:
    """A BERT of 2 layers, 16 wide, with its word-piece tokenizer."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    vocabulary = bert_vocabulary()
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    return _save(BertModel(config), directory, BertTokenizerFast(vocab=vocabulary))


def make_vit(directory: Path) -> Path:
    """A ViT of 2 layers, 24 wide, on pictures of 32 x 32 pixels (5 tokens)."""
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    config = ViTConfig(
        image_size=32,
        patch_size=16,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    return _save(ViTModel(config), directory, ViTImageProcessorPil(size={"height": 32, "width": 32}))


def make_clip(directory: Path) -> Path:
    """A CLIP (text 16, vision 24, joint space 12, 32 x 32 pixels) with both its processors."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizerFast
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    pieces = [*string.printable.split()[0], *(c + "</w>" for c in string.printable.split()[0])]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = CLIPTokenizerFast(vocab=vocabulary, merges=[])
    shape = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = CLIPConfig(
        text_config={
            **shape,
            "hidden_size": 16,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 77,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={**shape, "hidden_size": 24, "image_size": 32, "patch_size": 16},
        projection_dim=12,
    )
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return _save(CLIPModel(config), directory, tokenizer, images)


def make_encoders(folder: Path) -> Path:
    """``bert``, ``vit`` and ``clip`` in ``folder``."""
    make_bert(folder / "bert")
    make_vit(folder / "vit")
    make_clip(folder / "clip")
    return folder


def tiny_overrides(encoders: str) -> list[str]:
    """Overrides that make the recipe ``offline`` tiny: encoders of a folder, a narrow head, three epochs, a CLIP guide.

    Every dropout is on, so that the order of random draws shows.
    """
    return [
        f"model.text_encoder={encoders}/bert",
        f"model.vision_encoder={encoders}/vit",
        "model.image_grid_size=null",
        "model.hidden_size=16",
        "model.projection_hidden_size=16",
        "model.intermediate_size=16",
        "model.num_attention_heads=2",
        "model.num_fusion_layers=1",
        f"guide={{name: clip, model: {encoders}/clip}}",
        "training.epochs=3",
        "training.batch_size=8",
        "training.learning_rate=1e-2",
        "training.precision=fp32",
    ]


def _save(model: torch.nn.Module, directory: Path, *parts: Any) -> Path:
    fill_weights(model, directory.name)
    model.save_pretrained(directory)  # type: ignore[operator]
    for part in parts:
        part.save_pretrained(directory)
    return directory
