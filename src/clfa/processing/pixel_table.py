"""Rescaling and normalisation of 8-bit pictures by a table: what they make of a byte depends on its channel alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

# The settings of an image processor that decide the values, and which bytes there are.
_VALUES = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
_GEOMETRY = ("do_resize", "size", "resample", "do_center_crop", "crop_size", "do_pad", "do_convert_rgb")


class PixelTable:
    """The values of an image processor for each byte, with exactly its rounding.

    An image processor of Transformers computes them anew for each pixel, in several passes with copies; that takes as
    long as resizing. The table is taken from a picture that has all bytes, processed with and without these two steps.
    Pictures are resized by Pillow at once where that gives the same bytes as the processor, which copies them before.

    Args:
        image_processor: Any Transformers image processor.

    Attributes:
        values: (3, 256) float32; ``None`` if the processor does anything else with the bytes, has no such steps, or
            gives no arrays. Its own code is to be used then.
    """

    def __init__(self, image_processor: Any) -> None:
        self._processor = image_processor
        self._settings = self._current()
        self._resizing: tuple[tuple[int, int], Image.Resampling] | None = None
        self.values: np.ndarray | None = None
        try:
            self.values = self._measured()
            if self.values is not None:
                self._resizing = self._measured_resizing()
        except (TypeError, ValueError, AttributeError, KeyError):
            # A processor of its own kind.
            self._resizing = None

    def holds(self, image_processor: Any) -> bool:
        """Return whether this is the table of an image processor, with its present settings."""
        return image_processor is self._processor and self._current() == self._settings

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Return what the image processor makes of images (B, 3, H, W), float32; the table is for RGB."""
        if self.values is None or any(getattr(image, "mode", None) != "RGB" for image in images):
            return np.stack(self._processor(images=list(images))["pixel_values"])
        bytes_ = self._bytes(images)
        found = np.empty(bytes_.shape, np.float32)
        for channel, values in enumerate(self.values):
            # Every byte is in the table, so that nothing is clipped; this mode needs no buffer.
            np.take(values, bytes_[:, channel], out=found[:, channel], mode="clip")
        return found

    def _bytes(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Return the resized and cut images (B, 3, H, W)."""
        if self._resizing is None:
            return np.stack(self._processor(images=list(images), do_rescale=False, do_normalize=False)["pixel_values"])
        return np.stack([np.asarray(image.resize(*self._resizing)).transpose(2, 0, 1) for image in images])

    def _measured_resizing(self) -> tuple[tuple[int, int], Image.Resampling] | None:
        """Return width and height, and the filter, if resizing by Pillow gives what the processor gives."""
        size = dict(getattr(self._processor, "size", None) or {})
        if not {"height", "width"} <= set(size):
            return None
        draw = np.random.default_rng(0)
        pictures = [Image.fromarray(draw.integers(0, 256, (*shape, 3), np.uint8)) for shape in ((61, 90), (500, 333))]
        expected = self._bytes(pictures)
        self._resizing = (size["width"], size["height"]), Image.Resampling(self._processor.resample)
        return self._resizing if np.array_equal(self._bytes(pictures), expected) else None

    def _current(self) -> tuple[Any, ...]:
        return tuple(repr(getattr(self._processor, name, None)) for name in _VALUES + _GEOMETRY)

    def _measured(self) -> np.ndarray | None:
        # Of the size that the model reads, so that resizing and cutting change little and all bytes are there.
        height, width = self._bytes([Image.new("RGB", (256, 256))]).shape[-2:]
        pictures = [Image.fromarray(one) for one in _all_bytes(height, width)]
        bytes_, found = self._bytes(pictures), np.stack(self._processor(images=pictures)["pixel_values"])
        if bytes_.dtype != np.uint8 or found.dtype != np.float32 or bytes_.shape != found.shape or len(found[0]) != 3:
            return None
        values = np.full((3, 256), np.nan, np.float32)
        for channel in range(3):
            values[channel][bytes_[:, channel]] = found[:, channel]
            if not np.array_equal(values[channel][bytes_[:, channel]], found[:, channel]):
                return None
        return None if np.isnan(values).any() else values


def _all_bytes(height: int, width: int) -> list[np.ndarray]:
    """Return pictures (H, W, 3) that have each byte in each channel: by pixel, and in areas that resizing keeps."""
    rows, columns = np.arange(height)[:, None], np.arange(width)[None]
    areas = 16 * (16 * rows // height) + 16 * columns // width
    moved = np.roll(areas, (height // 2, width // 2), (0, 1))
    grey = [((rows * width + columns) % 256), areas, moved]
    return [np.stack([one, 255 - one, one ^ 85], axis=-1).astype(np.uint8) for one in grey]
