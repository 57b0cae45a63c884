"""Reading and decoding of images from files, fsspec addresses, Parquet cells or memory to RGB."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from clfa.errors import ImageError
from clfa.tables.paths import is_address
from clfa.tables.pictures import pictures_of

ImageSource = Mapping[str, Any] | str | os.PathLike[str] | bytes | Image.Image

MAX_BYTES = 50 * 1024 * 1024
MAX_PIXELS = 100_000_000
KEY_BYTES = 16

_WHITE = (255, 255, 255, 255)


class MissingImageError(ImageError):
    """An image file that does not exist."""


def image_name(image: ImageSource | None) -> str:
    """Return a name of ``image`` for messages: its path, or a description."""
    if isinstance(image, Mapping):
        return str(image.get("path") or "<image bytes>")
    if isinstance(image, (str, os.PathLike)):
        return os.fspath(image)
    if isinstance(image, Image.Image):
        return str(getattr(image, "filename", "") or f"<{image.mode} image {image.width}x{image.height}>")
    return "<image bytes>"


def read_image_bytes(image: ImageSource, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the encoded content of ``image``.

    Args:
        image: ``{"bytes": ..., "path": ...}`` (bytes take precedence), a path or fsspec address, encoded bytes, or a
            PIL image (encoded as PNG, without loss).
        max_bytes: Maximum encoded size.

    Raises:
        ImageError: If the image is missing, empty, too large or unreadable; the message names the file.
    """
    name = image_name(image)
    if isinstance(image, Image.Image):
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return buffer.getvalue()
    content: Any = image
    if isinstance(image, Mapping):
        content = image.get("bytes")
        if content is None:
            content = image.get("path")
    if isinstance(content, (str, os.PathLike)) and os.fspath(content):
        content = _read_path(os.fspath(content), max_bytes)
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise ImageError(f"no image: expected bytes, a path or {{'bytes', 'path'}}, got {type(image).__name__}")
    data = bytes(content)
    if not data:
        raise ImageError(f"{name}: image is empty (0 bytes)")
    if len(data) > max_bytes:
        raise ImageError(f"{name}: image is too large (more than {max_bytes:,} bytes); raise max_bytes or shrink it")
    return data


def _read_path(path: str, max_bytes: int) -> bytes:
    try:
        if is_address(path):
            import fsspec

            with fsspec.open(path, "rb") as file:
                return bytes(file.read(max_bytes + 1))
        # Reading a pipe or device could block or never end.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ImageError(f"{path}: not a regular file")
        with open(path, "rb") as file:
            return file.read(max_bytes + 1)
    except FileNotFoundError:
        raise MissingImageError(f"{path}: image file not found") from None
    except ImageError:
        raise
    except ImportError as error:
        raise ImageError(f"{path}: reading this address needs another package: {error}") from error
    except Exception as error:  # Remote file systems raise their own types.
        raise ImageError(f"{path}: image cannot be read: {type(error).__name__}: {error}") from error


def load_image(image: ImageSource, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode ``image`` completely to an upright 8-bit RGB image.

    The EXIF orientation is applied; transparency is composited on white; palettes, CMYK, 16-bit and float pixels are
    converted to 8-bit RGB; the first frame of an animation is used.

    Args:
        image: See :func:`read_image_bytes`.
        max_bytes: Maximum encoded size in bytes.
        max_pixels: Maximum width x height; checked before decoding.

    Raises:
        ImageError: If the image is missing, empty, truncated, unreadable or larger than the limits; the message names
            the file.
    """
    name = image_name(image)
    try:
        if isinstance(image, Image.Image):
            picture = image
        else:
            picture = Image.open(io.BytesIO(read_image_bytes(image, max_bytes=max_bytes)))
        if picture.width * picture.height > max_pixels:
            raise ImageError(
                f"{name}: image is too large ({picture.width} x {picture.height} pixels, limit {max_pixels:,}); "
                "raise max_pixels or shrink it"
            )
        picture.load()
        return _to_rgb(_upright(picture))
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name}: image is too large: {error}") from error
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not an image in any format Pillow reads") from None
    except Exception as error:  # On broken data, decoders raise many types (struct.error, SyntaxError, ...).
        raise ImageError(f"{name}: image is broken or truncated: {error}") from error


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # With broken metadata, the pixels are still usable.
        return picture


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        picture = _to_8_bit(picture)
    if "A" in picture.mode.upper().replace("LAB", "") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, _WHITE), layer).convert("RGB")
    return picture.convert("RGB")


def _to_8_bit(picture: Image.Image) -> Image.Image:
    # Pillow's conversion clips these modes at 255, so that 16-bit images become white.
    import numpy as np

    values = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if picture.mode.startswith("I;16") or (picture.mode == "I" and 255 < high <= 65535 and low >= 0):
        values = values / 257.0
    elif picture.mode == "F" and low >= 0 and high <= 1:
        values = values * 255.0
    elif low < 0 or high > 255:
        values = (values - low) * (255.0 / (high - low))
    return Image.fromarray(np.rint(values).astype(np.uint8))


def image_key(image: ImageSource, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the 16-byte BLAKE2b digest of the encoded content, independent of the path.

    It is the key of the image's features and guide embeddings in caches.

    Raises:
        ImageError: If the content cannot be read.
    """
    return hashlib.blake2b(read_image_bytes(image, max_bytes=max_bytes), digest_size=KEY_BYTES).digest()


def pictures_key(image: Any) -> bytes:
    """Return the key of a post's pictures: their :func:`image_key` joined, in order; empty without a picture.

    Args:
        image: An image cell: one image, a list of images, or ``None``.

    Raises:
        ImageError: If the content of an image cannot be read.
    """
    return b"".join(image_key(picture) for picture in pictures_of(image))
