from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.processing.collator import CLFACollator


def test_ids_are_padded_to_the_longest_of_the_batch() -> None:
    batch = CLFACollator(pad_token_id=9)([{"input_ids": [1, 2, 3]}, {"input_ids": [4]}])
    assert batch["input_ids"].tolist() == [[1, 2, 3], [4, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["input_ids"].dtype == batch["attention_mask"].dtype == torch.int64


def test_knowledge_has_its_own_length_and_mask() -> None:
    samples = [{"input_ids": [1], "knowledge_input_ids": []}, {"input_ids": [2], "knowledge_input_ids": [5, 6]}]
    batch = CLFACollator(pad_token_id=9)(samples)
    assert batch["knowledge_input_ids"].tolist() == [[9, 9], [5, 6]]
    assert batch["knowledge_attention_mask"].tolist() == [[0, 0], [1, 1]]


def test_a_batch_without_knowledge_carries_none() -> None:
    batch = CLFACollator()([{"input_ids": [1], "knowledge_input_ids": []}] * 2)
    assert set(batch) == {"input_ids", "attention_mask"}


def test_text_features_are_padded_with_zeros_in_full_precision() -> None:
    long, short = np.ones((3, 2), np.float16), np.full((1, 2), 0.5, np.float16)
    batch = CLFACollator()([{"text_features": long}, {"text_features": short}])
    assert batch["text_features"].dtype == torch.float32
    assert batch["text_features"].tolist() == [[[1, 1]] * 3, [[0.5, 0.5], [0, 0], [0, 0]]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_terms_are_padded_with_weight_zero() -> None:
    none = np.empty(0, np.int64), np.empty(0, np.float32)
    two = np.array([7, 9]), np.array([0.5, 1], np.float32)
    batch = CLFACollator(pad_token_id=9)([{"terms": two, "labels": 0}, {"terms": none, "labels": 1}])
    assert set(batch) == {"term_ids", "term_weights", "labels"}
    assert batch["term_ids"].tolist() == [[7, 9], [0, 0]]
    assert batch["term_weights"].tolist() == [[0.5, 1], [0, 0]]


def test_the_rest_is_stacked() -> None:
    samples: list[dict[str, Any]] = [
        {
            "pixel_values": torch.full((3, 2, 2), float(i)),
            "image_features": np.full((4, 2), i, np.float16),
            "guide_text_embeds": np.full(5, i, np.float64),
            "labels": i,
        }
        for i in range(2)
    ]
    batch = CLFACollator()(samples)
    assert batch["pixel_values"].shape == (2, 3, 2, 2)
    assert batch["image_features"].shape == (2, 4, 2)
    assert batch["image_features"].dtype == batch["guide_text_embeds"].dtype == torch.float32
    assert batch["guide_text_embeds"].tolist() == [[0] * 5, [1] * 5]
    assert batch["labels"].tolist() == [0, 1]
    assert batch["labels"].dtype == torch.int64


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=8), min_size=1, max_size=6))
def test_nothing_is_lost_by_padding(texts: list[list[int]]) -> None:
    batch = CLFACollator()([{"input_ids": ids} for ids in texts])
    kept = [row[mask.bool()].tolist() for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)]
    assert kept == texts
    assert batch["input_ids"].shape == (len(texts), max(map(len, texts)))


def test_vectors_of_targets_are_stacked_as_numbers() -> None:
    rows = [np.array([1, np.nan, 2.5], np.float32), np.array([0, 1, -1], np.float32)]
    labels = CLFACollator()([{"labels": row} for row in rows])["labels"]
    assert labels.dtype == torch.float32
    np.testing.assert_array_equal(labels.numpy(), np.stack(rows))
    assert CLFACollator()([{"labels": 1}, {"labels": 0}])["labels"].dtype == torch.int64


def test_positions_of_samples_are_kept_on_request_only() -> None:
    samples = [{"input_ids": [1], "sample_index": 7}, {"input_ids": [2], "sample_index": 3}]
    assert "sample_index" not in CLFACollator()(samples)
    assert CLFACollator(keep_index=True)(samples)["sample_index"].tolist() == [7, 3]
