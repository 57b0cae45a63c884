"""Synthetic posts with several targets: sarcasm (a class), emotions (a set) and intensity (a number)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from posts import make_posts

EMOTIONS = ("anger", "joy", "sadness")


def make_task_posts(folder: Path, count: int = 64, with_split: bool = True) -> list[dict[str, Any]]:
    """:func:`posts.make_posts` with other labels; each target is missing from every eighth training post.

    Sarcastic posts say "great". The picture's colour gives the emotions away (white: none of them), and the intensity
    is 10 and more where the post is sarcastic.
    """
    emotions = {"red": "anger", "green": "joy", "blue": "anger|sadness", "white": "|"}
    rows = []
    for number, post in enumerate(make_posts(folder, count, with_split)):
        colour = post["text"].split()[3]
        row = {key: value for key, value in post.items() if key != "label"}
        row["sarcasm"] = ("no", "yes")[number % 2]
        row["emotions"] = emotions[colour]
        row["intensity"] = f"{10 * (number % 2) + (number // 2 % 4) / 2:g}"
        if row.get("split", "train") == "train" and number % 32 in (1, 2, 3):
            row[("sarcasm", "emotions", "intensity")[number % 32 - 1]] = ""
        rows.append(row)
    return rows
