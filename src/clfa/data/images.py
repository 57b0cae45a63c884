"""Reading and decoding of images from files, fsspec addresses, Parquet cells, memory or arrays to RGB."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from clfa.data.limits import FORMATS, check_opened, shrunk, unknown_format
from clfa.data.png import without_texts
from clfa.data.read_again import read_again
from clfa.data.rgb import from_array, to_rgb
from clfa.errors import ImageError
from clfa.tables.paths import is_address
from clfa.tables.pictures import pictures_of, refusal, unusable_reason

ImageSource = Mapping[str, Any] | str | os.PathLike[str] | bytes | Image.Image | np.ndarray

MAX_BYTES = 50 * 1024 * 1024
MAX_PIXELS = 100_000_000
KEY_BYTES = 16


class MissingImageError(ImageError):
    """An image file that does not exist."""


class RefusedImageError(ImageError):
    """An image that a row of data may not name (:class:`clfa.tables.gate.PictureGate`).

    Args:
        message: What was named, and the setting that permits it.
        reason: Short reason, for counting.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.reason)


def is_array(image: Any) -> bool:
    """Return whether ``image`` is an array or a tensor, rather than a picture of Pillow, a path or bytes."""
    return hasattr(image, "__array__") and hasattr(image, "dtype") and not isinstance(image, Image.Image)


def image_name(image: ImageSource | None) -> str:
    """Return a name of ``image`` for messages: its path, or a description."""
    if isinstance(image, Mapping):
        return str(image.get("path") or "<image bytes>")
    if isinstance(image, (str, os.PathLike)):
        return os.fspath(image)
    if isinstance(image, Image.Image):
        return str(getattr(image, "filename", "") or f"<{image.mode} image {image.width}x{image.height}>")
    if is_array(image):
        array: Any = image
        return f"<{array.dtype} array {'x'.join(map(str, array.shape))}>"
    return "<image bytes>"


def read_image_bytes(image: ImageSource, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the encoded content of ``image``.

    Args:
        image: ``{"bytes": ..., "path": ...}`` (bytes take precedence), a path or fsspec address, encoded bytes, a PIL
            image or an array (see :func:`clfa.data.rgb.from_array`). Of the last two, the content is the decoded
            picture of :func:`load_image` as PNG: of equal pictures it is equal, of one turned by EXIF it is not.
        max_bytes: Maximum encoded size.

    Raises:
        ImageError: If the image is missing, empty, too large or unreadable; the message names the file.
    """
    name = image_name(image)
    if isinstance(image, Image.Image) or is_array(image):
        buffer = io.BytesIO()
        load_image(image).save(buffer, format="PNG")
        return buffer.getvalue()
    content: Any = image
    if isinstance(image, Mapping):
        content = image.get("bytes")
        if content is None:
            content = image.get("path")
        elif not isinstance(content, (bytes, bytearray, memoryview)):
            # A text there would be taken for a path.
            raise ImageError(f"no image: 'bytes' must be the encoded picture, got {type(content).__name__}")
    if isinstance(content, (str, os.PathLike)) and os.fspath(content):
        content = _read_path(os.fspath(content), max_bytes)
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise ImageError(f"no image: expected bytes, a path or {{'bytes', 'path'}}, got {type(image).__name__}")
    data = bytes(content)
    if (reason := unusable_reason(data)) is not None:
        raise ImageError(reason)
    if (refused := refusal(data)) is not None:
        raise RefusedImageError(refused[1], refused[0])
    if not data:
        raise ImageError(f"{name}: image is empty (0 bytes)")
    if len(data) > max_bytes:
        raise ImageError(f"{name}: image is too large (more than {max_bytes:,} bytes); raise max_bytes or shrink it")
    return data


def _read_path(path: str, max_bytes: int) -> bytes:
    try:
        if path.lower().startswith(("file://", "local://")) and "::" not in path:
            path = path.partition("://")[2]
        if is_address(path):
            from clfa.data.fetch import fetch

            return read_again(lambda: fetch(path, max_bytes))
        return read_again(lambda: _read_file(path, max_bytes))
    except FileNotFoundError:
        raise MissingImageError(f"{path}: image file not found") from None
    except ImageError as error:
        raise error if str(error).startswith(path) else ImageError(f"{path}: {error}") from error
    except Exception as error:  # Remote file systems raise their own types.
        raise ImageError(f"{path}: image cannot be read: {type(error).__name__}: {error}") from error


def _read_file(path: str, max_bytes: int) -> bytes:
    # Before it is opened, because opening some devices does something.
    _require_regular(path, os.stat(path).st_mode)
    with open(path, "rb", opener=_open_at_once) as file:
        # The name may stand for something else by now.
        _require_regular(path, os.fstat(file.fileno()).st_mode)
        return file.read(max_bytes + 1)


def _require_regular(path: str, mode: int) -> None:
    # Reading a pipe or device could block or never end.
    if not stat.S_ISREG(mode):
        raise ImageError(f"{path}: not a regular file")


def _open_at_once(path: str, flags: int) -> int:
    # Opening a pipe would wait for its writer. Windows has neither flag.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def load_image(image: ImageSource, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode ``image`` completely to an upright 8-bit RGB image.

    The same picture gives the same pixels in every form; :mod:`clfa.data.rgb` has the rules: EXIF orientation,
    transparency on white, CMYK, 16-bit and float pixels. The first frame of an animation is used.

    Args:
        image: See :func:`read_image_bytes`.
        max_bytes: Maximum encoded size in bytes.
        max_pixels: Maximum width x height; checked before decoding. :mod:`clfa.data.limits` has further limits. One of
            more than 16.7 million pixels is halved until it has no more.

    Raises:
        ImageError: If the image is missing, empty, truncated, unreadable or larger than the limits, or
            in none of the formats that are read; the message names the file.
    """
    name = image_name(image)
    encoded = b""
    if not isinstance(image, Image.Image) and not is_array(image):
        encoded = read_image_bytes(image, max_bytes=max_bytes)
    try:
        if encoded:
            encoded = without_texts(encoded)
            picture: Image.Image = Image.open(io.BytesIO(encoded), formats=FORMATS)
        else:
            picture = image if isinstance(image, Image.Image) else from_array(image, max_pixels)
        check_opened(picture, max_pixels, encoded)
        return shrunk(to_rgb(picture))
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name}: image is too large: {error}") from error
    except UnidentifiedImageError:
        raise ImageError(f"{name}: {unknown_format()}") from None
    except Exception as error:  # On broken data, decoders raise many types (struct.error, SyntaxError, ...).
        raise ImageError(f"{name}: image is broken or truncated: {error}") from error


def image_key(image: ImageSource, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the 16-byte BLAKE2b digest of the encoded content (:func:`read_image_bytes`), independent of the path.

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
