from __future__ import annotations

from pathlib import Path

import numpy as np

from clfa.recipe import load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoded_splits import encode_split
from clfa.runs.encoders import load_encoders
from clfa.runs.guide import make_guide


def test_shuffled_guide_gives_the_same_embeddings_to_other_samples(tiny_overrides: list[str], posts_csv: Path) -> None:
    embeds = []
    for shuffle in ("false", "true", "true"):
        recipe = load_recipe("offline", [*tiny_overrides, f"data.dir={posts_csv}", f"guide.shuffle={shuffle}"])
        corpus = load_corpus(recipe)
        encoders = load_encoders(recipe)
        dataset = encode_split(recipe, corpus.splits["train"], encoders, make_guide(recipe, corpus, encoders))
        assert dataset.guide_embeds is not None
        embeds.append(np.concatenate(dataset.guide_embeds, axis=1))
    right, shuffled, again = embeds
    assert np.array_equal(shuffled, again)
    moved = (right != shuffled).any(axis=1)
    assert moved.mean() > 0.8
    # The same pairs of embeddings, in another order.
    np.testing.assert_array_equal(np.sort(right, axis=0), np.sort(shuffled, axis=0))
    assert {row.tobytes() for row in right} == {row.tobytes() for row in shuffled}
