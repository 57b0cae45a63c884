"""Reader for MVSA-Single's posts with pictures swapped: does the picture belong to the text?

Half of the posts of each split get the picture of another post of this half (``no-match``), the others keep theirs
(``match``). Every text and every picture occurs once per split, so that the label lies in their relation alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import Dataset

from clfa.data.assemble import SampleFields, to_splits
from clfa.data.images import image_key
from clfa.data.readers import read_corpus
from clfa.data.schema import Corpus, Dropped
from clfa.errors import DataError, ImageError
from clfa.targets.default_label import default_label

LABELS = ["no-match", "match"]


def read(data_dir: str, *, fold: int | str = "auto", split_seed: int = 0, swap_seed: int = 0) -> Corpus:
    """MVSA-Single's posts, half of them with another post's picture; the label is match or no-match.

    Unlabelled pairs keep their picture. Posts whose picture is missing take no part and are dropped.

    Args:
        data_dir: Folder with ``data/`` and ``labelResultAll.txt``.
        fold: See :func:`clfa.data.readers.mvsa.read_single`.
        split_seed: See :func:`clfa.data.readers.mvsa.read_single`.
        swap_seed: Seed of the draw of swapped pictures.

    Raises:
        DataError: As ``mvsa-single``, or if the pictures of a split cannot be swapped.
    """
    corpus = read_corpus("mvsa-single", data_dir, fold=fold, split_seed=split_seed)
    dropped = list(corpus.dropped)
    rows = {name: _swap(name, split, swap_seed, dropped) for name, split in corpus.splits.items()}
    facts = {**corpus.facts, "swapped pictures": {"seed": swap_seed}}
    return Corpus(
        name="mvsa-match",
        splits=to_splits(rows, LABELS),
        targets=[default_label(LABELS)],
        unlabelled=corpus.unlabelled,
        dropped=dropped,
        facts=facts,
    )


def _swap(name: str, split: Dataset, seed: int, dropped: list[Dropped]) -> list[SampleFields]:
    rows, keys = [], []
    for row in split:
        try:
            keys.append(image_key(row["image"]))
        except ImageError as error:
            dropped.append(Dropped(row["id"], name, f"data/{row['id']}.jpg", "missing image", str(error)))
            continue
        rows.append(row)
    half = np.random.RandomState(seed).permutation(len(rows))[: len(rows) // 2]
    givers = dict(zip(half.tolist(), _givers(half, rows, keys, name).tolist(), strict=True))
    return [
        {
            "id": row["id"],
            "text": row["text"],
            "image": rows[givers.get(position, position)]["image"],
            "knowledge": None,
            "label": int(position not in givers),
        }
        for position, row in enumerate(rows)
    ]


def _givers(half: np.ndarray, rows: list[dict[str, Any]], keys: list[bytes], name: str) -> np.ndarray:
    """Return the posts whose pictures the posts in ``half`` get: a rotation without equal texts or pictures."""
    if not len(half):
        return half
    for shift in range(1, len(half)):
        givers = np.roll(half, shift)
        if not any(keys[a] == keys[b] or rows[a]["text"] == rows[b]["text"] for a, b in zip(half, givers, strict=True)):
            return givers
    raise DataError(
        f"mvsa-match: the pictures of {len(half)} posts of the {name} split cannot be swapped: they are too few, or "
        "their texts or pictures are equal."
    )
