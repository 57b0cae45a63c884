from __future__ import annotations

from itertools import product

import pytest

from clfa.data.labels import MVSA_LABELS, majority, merge_annotators, merge_modalities

MERGED = {
    ("negative", "negative"): "negative",
    ("negative", "neutral"): "negative",
    ("negative", "positive"): None,
    ("neutral", "negative"): "negative",
    ("neutral", "neutral"): "neutral",
    ("neutral", "positive"): "positive",
    ("positive", "negative"): None,
    ("positive", "neutral"): "positive",
    ("positive", "positive"): "positive",
}


def test_label_order_is_fixed() -> None:
    assert MVSA_LABELS == ["negative", "neutral", "positive"]


@pytest.mark.parametrize("pair", product(MVSA_LABELS, repeat=2))
def test_every_pair_of_modality_labels(pair: tuple[str, str]) -> None:
    assert merge_modalities(*pair) == MERGED[pair]


@pytest.mark.parametrize("votes", product(MVSA_LABELS, repeat=3))
def test_every_vote_of_three(votes: tuple[str, ...]) -> None:
    winners = [label for label in MVSA_LABELS if votes.count(label) >= 2]
    assert majority(votes) == (winners[0] if winners else None)


def test_all_729_votes_of_three_annotators() -> None:
    kept = 0
    for text_votes, image_votes in product(product(MVSA_LABELS, repeat=3), repeat=2):
        merged = merge_annotators(list(zip(text_votes, image_votes, strict=True)))
        text, image = majority(text_votes), majority(image_votes)
        assert merged == (MERGED[text, image] if text and image else None)
        kept += merged is not None
    # 21 of 27 votes have a majority, 7 for each label; 7 of 9 label pairs merge: 7 * 7 * 7 of 729.
    assert kept == 343


def test_one_annotator_is_the_plain_merge() -> None:
    assert merge_annotators([("neutral", "positive")]) == "positive"
    assert merge_annotators([("negative", "positive")]) is None
