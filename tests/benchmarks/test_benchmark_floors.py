"""Operation counts by hand."""

from __future__ import annotations

import pytest
from benchmarks.floors import (
    Floor,
    Shape,
    attention,
    clip_operations,
    encoder,
    forward_operations,
    linear,
    training_floor,
)

TINY = Shape(
    text_layers=1,
    text_width=4,
    text_inner=8,
    image_layers=1,
    image_width=6,
    image_inner=12,
    image_tokens=5,
    patch_values=10,
    projection=3,
    width=2,
    fusion_layers=1,
    fusion_inner=4,
    classes=2,
)


def test_a_linear_layer_multiplies_and_adds() -> None:
    assert linear(10, 4, 8) == 2 * 10 * 4 * 8


def test_attention_has_scores_and_a_weighted_sum() -> None:
    assert attention(3, 5, 4) == 2 * (3 * 4 * 5) + 2 * (3 * 5 * 4)


def test_an_encoder_layer_by_hand() -> None:
    # 4 projections of 10 x 4 x 4, attention 10 x 10, two products of 10 x 4 x 8.
    assert encoder(10, 1, 4, 8) == 4 * 320 + 1600 + 2 * 640
    assert encoder(10, 3, 4, 8) == 3 * encoder(10, 1, 4, 8)


def test_bert_base_on_one_text_of_128_tokens() -> None:
    # 12 layers, 24 T d^2 + 4 T^2 d each.
    assert encoder(128, 12, 768, 3072) == 12 * (24 * 128 * 768**2 + 4 * 128**2 * 768)


def test_a_forward_pass_by_hand() -> None:
    text, image = encoder(7, 1, 4, 8), linear(4, 10, 6) + encoder(5, 1, 6, 12)
    projections = linear(7, 4, 3) + linear(7, 3, 2) + linear(5, 6, 3) + linear(5, 3, 2)
    self_attention = 4 * 2 * 7 * 2 * 2 + 4 * 7 * 7 * 2
    # Queries and outputs of the text, keys and values of the image.
    cross_attention = 2 * 2 * 7 * 2 * 2 + 2 * 2 * 5 * 2 * 2 + 4 * 7 * 5 * 2
    feed_forward = 2 * 2 * 7 * 2 * 4
    classifier = 2 * 2 * 2
    head = projections + self_attention + cross_attention + feed_forward + classifier
    assert forward_operations(TINY, [7]) == text + image + head
    assert forward_operations(TINY, [7], cached=True) == head
    assert forward_operations(TINY, [7, 7]) == 2 * (text + image + head)


def test_clip_by_hand() -> None:
    # A layer takes 24 T d^2 + 4 T^2 d; the patches are a product of 49 x 3072 x 768.
    text = 12 * (24 * 20 * 512**2 + 4 * 20**2 * 512)
    image = 12 * (24 * 50 * 768**2 + 4 * 50**2 * 768) + 2 * 49 * 3072 * 768
    assert clip_operations([20, 20]) == 2 * (text + image)


def test_padding_is_no_part_of_the_floor() -> None:
    assert forward_operations(TINY, [3, 9]) < forward_operations(TINY, [9, 9])


def test_a_training_floor_is_three_passes_and_the_optimiser() -> None:
    floor = training_floor(TINY, [7], 2, 1000, operations_per_second=1e6, bytes_per_second=1e3)
    assert floor.operations == 3 * forward_operations(TINY, [7])
    assert floor.bytes == 2 * 1000 * 28
    assert floor.seconds == pytest.approx(floor.operations / 1e6 + 56)


def test_the_gap_is_a_multiple_of_the_floor() -> None:
    assert Floor(10, 20, 5, 10).gap(12) == 3
