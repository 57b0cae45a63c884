from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from clfa.processing.pixel_table import PixelTable
from clfa.processing.processor import CLFAProcessor

_SMALL = {"height": 32, "width": 24}


def _pictures() -> list[Image.Image]:
    draw = np.random.default_rng(1)
    sizes = ((32, 24), (24, 32), (7, 90), (201, 33), (1, 5))
    return [Image.fromarray(draw.integers(0, 256, (*size, 3), np.uint8)) for size in sizes]


def _own(processor: Any, pictures: list[Image.Image]) -> np.ndarray:
    return np.stack(processor(images=pictures)["pixel_values"])


@pytest.mark.parametrize(
    ("processor", "resizes"),
    [
        (ViTImageProcessorPil(size=_SMALL, resample=3, image_mean=[0.485, 0.456, 0.406]), True),
        (ViTImageProcessorPil(size=_SMALL, resample=2, do_normalize=False), True),
        (ViTImageProcessorPil(size=_SMALL, rescale_factor=1 / 127.5, image_std=[0.3, 0.2, 0.1]), True),
        (CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}), False),
        (ConvNextImageProcessorPil(size={"shortest_edge": 112}), False),
        (BitImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}), False),
    ],
    ids=["vit", "no normalisation", "another factor", "clip", "convnext", "bit"],
)
def test_exactly_what_the_processor_gives(processor: Any, resizes: bool) -> None:
    table = PixelTable(processor)
    assert table.values is not None
    found, expected = table(_pictures()), _own(processor, _pictures())
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    assert (table._resizing is not None) == resizes


def test_a_value_for_each_byte() -> None:
    table = PixelTable(ViTImageProcessorPil(size=_SMALL, image_mean=[0.5, 0.25, 0.0], image_std=[0.5, 0.5, 0.25]))
    assert table.values is not None
    np.testing.assert_allclose(
        table.values[:, [0, 51, 255]], [[-1, -0.6, 1], [-0.5, -0.1, 1.5], [0, 0.8, 4]], atol=1e-6
    )


class _Other:
    """Not of Transformers: it knows no such arguments."""

    def __call__(self, images: list[Image.Image]) -> dict[str, list[np.ndarray]]:
        return {"pixel_values": [np.full((3, 4, 4), float(image.width), np.float32) for image in images]}


class _Contrast(ViTImageProcessorPil):
    """What becomes of a byte depends on the others."""

    def __call__(self, images: Any, **options: Any) -> Any:
        found = super().__call__(images=images, **options)
        if options.get("do_normalize") is not False:
            found["pixel_values"] = [one * np.linspace(1, 2, one.shape[-1]) for one in found["pixel_values"]]
        return found


@pytest.mark.parametrize(
    "processor",
    [
        _Other(),
        _Contrast(size=_SMALL),
        ViTImageProcessorPil(size=_SMALL, do_rescale=False, do_normalize=False),
        ViTImageProcessorPil(size={"height": 8, "width": 8}),
        CLIPImageProcessorPil(size=_SMALL, crop_size={"height": 16, "width": 16}),
    ],
    ids=["other", "contrast", "bytes", "too few pixels", "most is cut"],
)
def test_without_a_table_the_processor_itself_is_asked(processor: Any) -> None:
    table = PixelTable(processor)
    assert table.values is None
    np.testing.assert_array_equal(table(_pictures()), _own(processor, _pictures()))


def test_settings_that_change_later() -> None:
    processor = CLFAProcessor(ViTImageProcessorPil(size=_SMALL))
    for name, value in (("image_mean", [0.1, 0.2, 0.3]), ("size", {"height": 24, "width": 24}), ("resample", 0)):
        processor.pixel_array(_pictures())
        setattr(processor.image_processor, name, value)
        np.testing.assert_array_equal(
            processor.pixel_array(_pictures()), _own(processor.image_processor, _pictures()), err_msg=name
        )


def test_pictures_that_are_not_rgb() -> None:
    processor = ViTImageProcessorPil(size=_SMALL, image_mean=[0.5], image_std=[0.5])
    grey = [Image.new("L", (9, 5), 51)]
    table = PixelTable(ViTImageProcessorPil(size=_SMALL))
    assert table.values is not None
    table._processor = processor
    np.testing.assert_allclose(table(grey), np.full((1, 1, 32, 24), -0.6), atol=1e-6)
