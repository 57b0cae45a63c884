"""Writer of the synthetic data set of ``make demo``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clfa.demo.concepts import CONCEPTS
from clfa.demo.design import DemoPost, plan_posts
from clfa.demo.pictures import SIDE, Painter
from clfa.errors import DataError
from clfa.files import atomic_folder
from clfa.progress import track
from clfa.sheets import SheetWriter

MANIFEST = "demo.json"
"""File with the arguments that the data set was made from; only a directory with this file is ever replaced."""

_FORMAT = 1


@dataclass(frozen=True)
class DemoSummary:
    """Summary of a data set made by :func:`make_demo_data`.

    Args:
        directory: Directory of the data set.
        seed: The seed.
        posts: Number of posts by split; half of them are sarcastic.
        pictures: Number of distinct pictures; each occurs in as many sincere as sarcastic posts.
        concepts: Number of concepts.
        reused: Whether an identical data set existed already and nothing was written.
    """

    directory: Path
    seed: int
    posts: dict[str, int]
    pictures: int
    concepts: int
    reused: bool


def make_demo_data(
    directory: str | os.PathLike[str],
    *,
    seed: int = 0,
    train: int = 2688,
    validation: int = 288,
    test: int = 480,
    overwrite: bool = False,
) -> DemoSummary:
    """Make the synthetic sarcasm data set: drawn pictures and written texts, with labels that depend on both.

    Writes ``images/*.jpg``, ``train.jsonl``, ``validation.jsonl`` and ``test.jsonl`` (``id``, ``text``, ``image``
    relative to the directory, ``label`` ``sincere`` or ``sarcastic``), ``design.csv`` (what every post claims and
    shows), ``README.md`` (states that the data is synthetic), ``ATTRIBUTION.txt`` (OpenMoji, CC BY-SA 4.0) and
    ``demo.json``. Equal arguments give byte-identical texts, and byte-identical pictures with equal versions of Pillow,
    NumPy, resvg and OpenMoji. The directory is created atomically. :mod:`clfa.demo.design` documents the balance and
    the held-out combinations.

    Args:
        directory: Directory to write. A data set that was made from equal arguments is kept.
        seed: Seed of all random numbers.
        train: Number of training posts, a positive multiple of 192.
        validation: Number of validation posts, a positive multiple of 96.
        test: Number of test posts, a positive multiple of 96.
        overwrite: Replace a demo data set that was made from other arguments. No other directory is ever replaced.

    Returns:
        A summary of the data set.

    Raises:
        DataError: When the extra ``demo`` is not installed, a size is impossible, or ``directory`` holds other files.
    """
    target = Path(directory)
    splits = plan_posts(seed=seed, train=train, validation=validation, test=test)
    shots = {post.shot.name: post.shot for posts in splits.values() for post in posts}
    manifest = {"format": _FORMAT, "synthetic": True, "seed": seed, "posts": {s: len(p) for s, p in splits.items()}}
    summary = DemoSummary(target, seed, {s: len(p) for s, p in splits.items()}, len(shots), len(CONCEPTS), reused=False)
    if _already_there(target, manifest, overwrite):
        return DemoSummary(**{**vars(summary), "reused": True})
    painter = Painter()
    with atomic_folder(target) as work:
        (work / "images").mkdir(parents=True)
        with track(len(shots), "Drawing synthetic pictures") as advance:
            for shot in shots.values():
                picture = painter.paint(shot.hexcode, seed=f"{seed}/{shot.name}")
                (work / "images" / f"{shot.name}.jpg").write_bytes(picture)
                advance(1)
        for split, posts in splits.items():
            _write_posts(work / f"{split}.jsonl", posts)
        _write_design(work / "design.csv", splits)
        (work / "README.md").write_text(_readme(summary), encoding="utf-8")
        (work / "ATTRIBUTION.txt").write_text(_attribution(painter.source), encoding="utf-8")
        (work / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return summary


def _already_there(target: Path, manifest: dict[str, object], overwrite: bool) -> bool:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return False
    try:
        found = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(
            f"{target} exists and is not a demo data set (no readable {MANIFEST}); choose another directory"
        ) from None
    if found == manifest:
        return True
    if not overwrite:
        raise DataError(f"{target} holds a demo data set made from other settings; pass overwrite or another directory")
    return False


def _write_posts(file: Path, posts: Sequence[DemoPost]) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as out:
        for post in posts:
            row = {
                "id": post.id,
                "text": post.claim.text,
                "image": f"images/{post.shot.name}.jpg",
                "label": post.label,
            }
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_design(file: Path, splits: dict[str, list[DemoPost]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = SheetWriter(out)
        writer.row(["id", "split", "label", "claimed", "wording", "template", "shown", "openmoji", "image"])
        for split, posts in splits.items():
            for post in posts:
                claimed, shown = CONCEPTS[post.claim.concept], CONCEPTS[post.shot.concept]
                wording = claimed.wordings[post.claim.wording]
                said = (claimed.name, wording, post.claim.template)
                drawn = (shown.name, post.shot.hexcode, f"images/{post.shot.name}.jpg")
                writer.row([post.id, split, post.label, *said, *drawn])


def _readme(summary: DemoSummary) -> str:
    counts = ", ".join(f"{split} {count}" for split, count in summary.posts.items())
    return f"""# SYNTHETIC data: a demonstration, not a benchmark

Nobody wrote or posted any of this. A program filled {summary.concepts} concepts into sentence templates and drew emoji
on coloured grounds ({SIDE} x {SIDE} pixels), seed {summary.seed}. Scores on it show that the code works; they say
nothing about sarcasm among people and must not be compared with scores on MMSD or MVSA.

- A post claims something ("My view this morning: a ship on the sea."). The picture shows that thing: *sincere*. It
  shows something altogether different, such as a cake: *sarcastic*.
- Every text and every picture stands in as many sincere as sarcastic posts of its split. A model that sees one of the
  two only is right half of the time, by construction.
- Held out: the concept pairs of the sarcastic posts in test, the combinations of wording and emoji of its sincere ones,
  its texts and its pictures never occur in train or validation. The concepts, wordings and emoji themselves do.
- Posts: {counts}. Pictures: {summary.pictures}. `design.csv` lists what each post claims and shows; it is for
  checking the above, never an input to a model.

The pictures are adapted from OpenMoji under CC BY-SA 4.0: see ATTRIBUTION.txt, which must stay with them.
"""


def _attribution(source: str) -> str:
    return f"""The pictures in images/ are adapted from:

{source}

Changes made: single emoji were rasterised, resized, rotated, mirrored and pasted, some with a second small emoji, on
generated backgrounds with noise, changes of brightness and blur; saved as JPEG.
The pictures, being adaptations, are under the same license: CC BY-SA 4.0.
"""
