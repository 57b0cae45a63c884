"""Hostile texts and pictures for the processor: tensors of the right shapes, or an error that it documents."""

from __future__ import annotations

import traceback
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

import clfa
from clfa.processing.processor import CLFAProcessor
from torture import battery, child, material
from torture.images import whole_images
from torture.tally import Tally

SECONDS = 5.0
MEGABYTES = 300.0
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16")
_TYPES = (
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "int32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
)
_PIECES = (
    "",
    " ",
    "a",
    "sunny",
    "很好",
    "\ud83d",
    "\0",
    "\x1b[0m",
    "[SEP]",
    "[PAD]",
    "x" * 400,
    "é",
    "\u202e",
    "‍",
    "a b " * 90,
)


def run(trials: int, seed: int, work: Path, deadline: float, first: int = 0) -> Tally:
    """Try hostile batches.

    Args:
        trials: Number of batches.
        seed: Seed.
        work: Folder for encoders.
        deadline: ``time.monotonic`` after which no further batch is tried.
        first: Number of the first batch.
    """
    encoders = work / "encoders"
    if not encoders.is_dir():
        encoders.mkdir()
        ended = child.run(lambda: material.make_encoders(encoders), folder=str(work))
        assert ended.how == "done", ended
    processor = CLFAProcessor.from_encoders(encoders / "text", encoders / "vision")
    torch.set_num_threads(1)
    whole_images()

    def attempt(random: Random, number: int) -> str:
        size = random.choice((1, 1, 2, 3))
        texts: Any = [_text(random) for _ in range(size)] if random.random() < 0.8 else None
        images: Any = [_images(random) for _ in range(size)] if random.random() < 0.8 else None
        if random.random() < 0.1:
            texts = random.choice((None, 3, "", [], [[]], [3], ["a"] * 4, {"a": "b"}, b"a", float("nan")))
        if random.random() < 0.1:
            images = random.choice(
                (None, 3, "", [], [[]], [3], [None] * 4, {"path": "/nowhere"}, b"", [{}], "/dev/zero")
            )
        try:
            batch = processor(text=texts, images=images)
        except (TypeError, ValueError) as error:
            # Its own checks of arguments.
            if Path(traceback.extract_tb(error.__traceback__)[-1].filename).is_relative_to(Path(clfa.__file__).parent):
                return "refused"
            raise
        for name, tensor in batch.items():
            if tensor.is_floating_point() and not tensor.isfinite().all():
                raise AssertionError(f"{name} is not finite")
            if isinstance(texts, list) and len(tensor) != len(texts):
                raise AssertionError(f"{name} has {len(tensor)} samples, not {len(texts)}")
        return "processed"

    limits = {"seconds": SECONDS, "megabytes": MEGABYTES, "deadline": deadline}
    return battery.run(Tally("processor", seed), attempt, range(first, first + trials), **limits)


def _text(random: Random) -> Any:
    if random.random() < 0.1:
        return None
    return " ".join(random.choices(_PIECES, k=random.choice((0, 1, 2, 6))))


def _images(random: Random) -> Any:
    if random.random() < 0.1:
        return None
    if random.random() < 0.2:
        return [_image(random) for _ in range(random.choice((0, 1, 2, 12)))]
    return _image(random)


def _image(random: Random) -> Any:
    way = random.randrange(4)
    if way == 0:
        return random.choice(whole_images())[1]
    if way == 1:
        return {"bytes": random.choice(whole_images())[1], "path": random.choice((None, "", "a.png", "\0"))}
    width, height = random.choice(((1, 1), (1, 300), (300, 1), (8, 8), (7, 3)))
    if way == 2:
        return Image.new(random.choice(_MODES), (width, height))
    shape = random.choice(
        ((height, width), (height, width, random.randint(1, 5)), (3, height, width), (0, 0), (height,), ())
    )
    values = np.random.default_rng(random.randrange(2**32)).normal(scale=random.choice((0, 1, 300, 1e30)), size=shape)
    if random.random() < 0.1:
        values = np.where(values > 0, np.nan, np.inf)
    with np.errstate(all="ignore"):
        array = values.astype(random.choice(_TYPES))
    return torch.from_numpy(array) if random.random() < 0.2 and array.dtype.name not in ("uint16", "uint64") else array
