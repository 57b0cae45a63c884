"""Synthetic posts for tests: the colour of the picture and the words of the text give the class away."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "white": (235, 235, 235)}
LABELS = ("bad", "good")


def picture(path: Path, colour: str, seed: int = 0) -> Path:
    """A 12 x 10 JPEG of one colour with a little noise, so that no two are equal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-20, 20, (10, 12, 3))
    pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=95)
    return path


def make_posts(folder: Path, count: int = 64, with_split: bool = True) -> list[dict[str, Any]]:
    """``count`` posts with pictures in ``folder/images``: half of them train, a quarter each validation and test.

    The text says "great" or "bad" and names the picture's colour; the label is "good" where it says "great".
    """
    posts = []
    for number in range(count):
        label = number % 2
        colour = list(COLOURS)[(number // 2) % 4]
        name = f"images/{number}.jpg"
        picture(folder / name, colour, number)
        row = {
            "id": f"p{number}",
            "text": f"what a {('bad', 'great')[label]} {colour} day {number}",
            "image": name,
            "label": LABELS[label],
        }
        if with_split:
            row["split"] = ("train", "train", "validation", "test")[(number // 8) % 4]
        posts.append(row)
    return posts


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
