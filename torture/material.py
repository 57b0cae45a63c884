"""Posts, pictures and encoders that are small enough for thousands of trials."""

from __future__ import annotations

import csv
import string
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from PIL import Image

_COLOURS = ((200, 30, 30), (30, 180, 40), (30, 40, 200), (235, 235, 235))
# What is imported late, and from places that a process without rights cannot read.
_LATE = (
    "joblib.externals.loky",
    "sklearn.decomposition",
    "sklearn.linear_model",
    "sklearn.metrics",
    "onnxruntime",
    "onnxscript",
    "torch.onnx._internal.exporter._core",
    "torch.utils.tensorboard",
    "tensorboard.compat.proto.event_pb2",
)
# Override for a guide that is fitted on the posts.
GUIDE = "guide={name: fitted, epochs: 2, text_components: 4, image_components: 4, conse_components: 4, dim: 4}"
_WORDS = ("what", "a", "great", "bad", "day", "red", "green", "blue", "white")


def make_posts(folder: Path, count: int = 48) -> Path:
    """Write posts with pictures, half of them for training; return the table.

    Args:
        folder: Where.
        count: Number of posts.
    """
    (folder / "images").mkdir(parents=True)
    rows = []
    for number in range(count):
        noise = np.random.default_rng(number).integers(-20, 20, (10, 12, 3))
        pixels = np.clip(np.array(_COLOURS[(number // 2) % 4]) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"images/{number}.png")
        rows.append(
            {
                "id": f"p{number}",
                "text": f"what a {('bad', 'great')[number % 2]} day {number}",
                "image": f"images/{number}.png",
                "label": ("bad", "good")[number % 2],
                "split": ("train", "train", "validation", "test")[(number // 4) % 4],
            }
        )
    with open(folder / "posts.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "posts.csv"


def make_encoders(folder: Path) -> None:
    """Write a random text encoder, ``text``, and a random vision encoder, ``vision``."""
    from transformers import BertConfig, BertModel, BertTokenizerFast, ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    letters = string.ascii_lowercase + string.digits
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS, *letters, *("##" + c for c in letters), *"!?.,'#@"]
    tokenizer = BertTokenizerFast(vocab={piece: number for number, piece in enumerate(dict.fromkeys(pieces))})
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=128, **sizes)).save_pretrained(
        folder / "text"
    )
    tokenizer.save_pretrained(folder / "text")
    ViTModel(ViTConfig(image_size=32, patch_size=16, **sizes)).save_pretrained(folder / "vision")
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder / "vision")


def overrides(folder: Path) -> list[str]:
    """Return overrides of the recipe ``offline`` for a training of a second."""
    return [
        f"data.dir={folder / 'posts.csv'}",
        f"model.text_encoder={folder / 'text'}",
        f"model.vision_encoder={folder / 'vision'}",
        "model.image_grid_size=null",
        "model.hidden_size=8",
        "model.projection_hidden_size=8",
        "model.intermediate_size=8",
        "model.num_attention_heads=2",
        "model.num_fusion_layers=1",
        "model.alpha=0",
        "guide={name: none}",
        "training.yardsticks=false",
        "training.epochs=2",
        "training.batch_size=8",
        "training.precision=fp32",
    ]


def warm() -> None:
    """Import what the trials use, without computing anything; plots are not drawn, which take half of the time."""
    for name in _LATE:
        import_module(name)
    import clfa.experiments.run
    import clfa.prediction.onnx_export
    import clfa.prediction.predict
    import clfa.runs.evaluate
    import clfa.runs.fit_guide
    import clfa.runs.train_one
    import clfa.targets.single_label
    import clfa.training.trainer

    torch.set_num_threads(1)
    clfa.targets.single_label.plot_confusion_matrix = lambda *arguments: None  # type: ignore[assignment]
    clfa.runs.train_one.plot_learning_curves = lambda *arguments: None  # type: ignore[assignment]
