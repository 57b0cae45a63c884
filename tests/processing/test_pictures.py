from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from clfa.processing.collator import CLFACollator
from clfa.processing.pictures import pad_pictures, pad_tokens
from clfa.processing.processor import CLFAProcessor


def of(*values: float) -> torch.Tensor:
    return torch.stack([torch.full((3, 2, 2), value) for value in values])


def test_pictures_are_padded_to_the_largest_number() -> None:
    pixels, exists = pad_pictures([of(1)[0], None, of(2, 3, 4), of(5, 6)])
    assert pixels.shape == (4, 3, 3, 2, 2)
    assert pixels[:, :, 0, 0, 0].tolist() == [[1, 0, 0], [0, 0, 0], [2, 3, 4], [5, 6, 0]]
    assert exists.tolist() == [[True, False, False], [False] * 3, [True] * 3, [True, True, False]]


def test_tokens_are_padded_to_the_longest_sample() -> None:
    features, mask = pad_tokens([np.ones((2, 1), np.float16), None, np.full((4, 1), 0.5, np.float16)])
    assert features.dtype == np.float32
    assert features[:, :, 0].tolist() == [[1, 1, 0, 0], [0] * 4, [0.5] * 4]
    assert mask.tolist() == [[1, 1, 0, 0], [0] * 4, [1] * 4]


def test_the_collator_pads_only_where_samples_differ() -> None:
    one, two = np.ones((4, 2), np.float16), np.ones((8, 2), np.float16)
    batch = CLFACollator()([{"image_features": one}, {"image_features": two}, {"image_features": None}])
    assert batch["image_features"].shape == (3, 8, 2)
    assert batch["image_attention_mask"].sum(dim=1).tolist() == [4, 8, 0]
    assert batch["image_present"].tolist() == [True, True, False]
    # Samples with one picture each, and with two each, need no mask.
    for features in (one, two):
        assert set(CLFACollator()([{"image_features": features}] * 2)) == {"image_features"}
    pixels = CLFACollator()([{"pixel_values": of(1, 2)}, {"pixel_values": of(3)[0]}, {"pixel_values": None}])
    assert pixels["pixel_values"].shape == (3, 2, 3, 2, 2)
    assert pixels["image_present"].tolist() == [[True, True], [True, False], [False, False]]
    assert CLFACollator()([{"pixel_values": of(1)[0]}] * 2)["pixel_values"].shape == (2, 3, 2, 2)


def processor(folder: Path, **options: Any) -> CLFAProcessor:
    return CLFAProcessor.from_encoders(None, folder, **options)


def colours(*values: int) -> list[Image.Image]:
    return [Image.new("RGB", (8, 8), (value, 0, 0)) for value in values]


def test_the_processor_takes_lists_of_lists(tiny_vit_dir: Path) -> None:
    both = processor(tiny_vit_dir)(images=[colours(10, 200), colours(90), None])
    assert both["pixel_values"].shape == (3, 2, 3, 32, 32)
    assert both["image_present"].tolist() == [[True, True], [True, False], [False, False]]
    plain = processor(tiny_vit_dir)(images=colours(10, 200, 90))
    assert set(plain) == {"pixel_values"}
    assert plain["pixel_values"].shape == (3, 3, 32, 32)
    assert torch.equal(both["pixel_values"][0], plain["pixel_values"][:2])
    assert torch.equal(both["pixel_values"][1, 0], plain["pixel_values"][2])


def test_a_list_of_one_is_the_picture_itself(tiny_vit_dir: Path) -> None:
    (listed, plain) = (processor(tiny_vit_dir)(images=images) for images in ([colours(7), []], [*colours(7), None]))
    assert set(listed) == set(plain) == {"pixel_values", "image_present"}
    for name in plain:
        assert torch.equal(listed[name], plain[name])


def test_pictures_beyond_the_largest_number_are_ignored(tiny_vit_dir: Path, tmp_path: Path) -> None:
    few = processor(tiny_vit_dir, max_images=2)
    few.save_pretrained(tmp_path)
    for some in (few, CLFAProcessor.from_pretrained(tmp_path)):
        assert some.max_images == 2
        found = some(images=[colours(1, 2, 3)])["pixel_values"]
        assert torch.equal(found, some(images=[colours(1, 2)])["pixel_values"])
    assert processor(tiny_vit_dir)(images=[colours(*range(12))])["pixel_values"].shape[:2] == (1, 9)
