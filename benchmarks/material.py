"""Synthetic posts: noise pictures and meaningless texts of real lengths, as files that anything can read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.lengths import text_of
from clfa.files import write_json, write_jsonl

SPLITS = ("train", "validation", "test")
LABELS = ("no", "yes", "maybe", "rather", "hardly", "never", "always", "once")


def write_posts(
    folder: Path,
    lengths: Sequence[int],
    counts: Sequence[int],
    classes: int = 2,
    side: int = 256,
    seed: int = 0,
    distinct: int | None = None,
) -> Path:
    """Pictures ``images/ID.jpg`` and a table ``posts.jsonl``.

    Args:
        folder: Made if absent; a folder that is complete is left as it is.
        lengths: Text tokens of each post, the special ones included.
        counts: Posts of the training, validation and test split, in this order; together as many as ``lengths``.
        classes: Labels in use.
        side: Height of the pictures in pixels; they are a third wider.
        seed: Of pictures and texts.
        distinct: Number of different pictures, the others being links to them; all differ when not given.

    Returns:
        The table.

    Raises:
        ValueError: When lengths and counts do not go together.
    """
    if sum(counts) != len(lengths):
        raise ValueError(f"{len(lengths)} lengths for {sum(counts)} posts.")
    table, done = folder / "posts.jsonl", folder / "complete.json"
    if done.is_file():
        return table
    (folder / "images").mkdir(parents=True, exist_ok=True)
    splits = [name for name, count in zip(SPLITS, counts, strict=True) for _ in range(count)]
    rows = []
    for number, (length, split) in enumerate(zip(lengths, splits, strict=True)):
        picture = folder / "images" / f"{number}.jpg"
        if distinct is None or number < distinct:
            noise_picture(side, seed * 1_000_003 + number).save(picture, quality=85)
        else:
            os.link(folder / "images" / f"{number % distinct}.jpg", picture)
        rows.append(
            {
                "id": str(number),
                "text": text_of(length, seed * 1_000_003 + number),
                "image": f"images/{number}.jpg",
                "label": LABELS[number % classes] if classes <= len(LABELS) else f"class {number % classes}",
                "split": split,
            }
        )
    write_jsonl(table, rows)
    write_json(done, {"posts": len(rows), "classes": classes, "side": side, "seed": seed})
    return table


def noise_picture(side: int, seed: int) -> Image.Image:
    """A picture (``side`` x 4/3 ``side``) of coloured noise, coarse enough to compress as photographs do."""
    coarse = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side * 4 // 3, side), Image.Resampling.BICUBIC)
