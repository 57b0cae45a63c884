"""Limits of pictures: formats, memory, time and shape, checked before anything is decoded."""

from __future__ import annotations

import re
from typing import Any

from PIL import Image, ImageFile

from clfa.errors import ImageError

# What posts have and what decoders in C read in bounded memory. Others run programs (EPS runs Ghostscript), are decoded
# slowly in Python, need much memory, or are no pictures.
FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# Pillow's name of a JPEG with further pictures, of which the first is read.
_JPEG = ("JPEG", "MPO")
# Bytes that a picture may need while it is decoded and converted, its file included.
MAX_MEMORY = 280_000_000
# Pictures with more pixels are halved until they have no more: an image processor needs further 16 bytes for each.
KEPT_PIXELS = 1 << 24
# Longer side : shorter side. Image processors enlarge the shorter side to some hundred pixels.
MAX_RATIO = 50
# Bytes per pixel: decoded pixels, RGB and one copy.
_BYTES = 12
# The decoder of WebP keeps several pictures.
_WEBP_BYTES = 20
# Bytes of a coefficient; a JPEG with several scans keeps those of all its pixels.
_COEFFICIENT_BYTES = 2
# Decoders written in Python take a microsecond per pixel or more.
_SLOW_DECODERS = ("bmp_rle", "ppm", "ppm_plain")
_MAX_SLOW_PIXELS = 1_000_000
# Each scan of a progressive JPEG visits every pixel, however few bytes it has.
_MAX_SCANS = 40
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
# TIFF tags.
_BITS, _TILE_WIDTH, _TILE_LENGTH = 258, 322, 323


def check_size(width: int, height: int, max_pixels: int, needed: float = _BYTES, encoded: int = 0) -> None:
    """Check the size and shape of a picture.

    Args:
        width: In pixels.
        height: In pixels.
        max_pixels: Largest number of pixels.
        needed: Bytes per pixel that decoding and conversion need.
        encoded: Size of the file.

    Raises:
        ImageError: If the picture has no pixels, too many, or is too long for its width.
    """
    if width <= 0 or height <= 0:
        raise ImageError(f"the image has no pixels ({width} x {height})")
    fitting = max(0, MAX_MEMORY - encoded)
    if width * height > min(max_pixels, fitting / needed):
        limit = int(min(max_pixels, fitting // needed))
        hint = "raise max_pixels or shrink it" if limit == max_pixels else "shrink it"
        raise ImageError(f"image is too large ({width} x {height} pixels, limit {limit:,}); {hint}")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise ImageError(f"image is too long ({width} x {height} pixels, limit {MAX_RATIO} to 1); crop it")


def check_opened(picture: Image.Image, max_pixels: int, content: bytes = b"") -> None:
    """Check a picture that is opened and not decoded yet; a large JPEG is set to be decoded at a part of its size.

    Args:
        picture: The picture.
        max_pixels: Largest number of pixels.
        content: Its file, if it is in memory.

    Raises:
        ImageError: If its format is none of :data:`FORMATS`, or decoding it would need too much memory or time.
    """
    if not _undecoded(picture):
        check_size(picture.width, picture.height, max_pixels)
        return
    if picture.format not in (*FORMATS, *_JPEG):
        raise ImageError(f"pictures of the format {picture.format} are not read; {_advice()}")
    width, height = picture.size
    needed: float = _BYTES
    if picture.format in _JPEG:
        needed = _prepare_jpeg(picture, content, max_pixels)
    elif picture.format == "WEBP":
        needed = _WEBP_BYTES
    elif picture.format == "TIFF":
        needed += _check_tiff(picture)
    # Pillow hands a copy of a TIFF to its decoder.
    copies = 2 if picture.format == "TIFF" else 1
    check_size(width, height, max_pixels, needed, copies * len(content))
    kind = next((tile[0] for tile in getattr(picture, "tile", ())), "")
    if kind in _SLOW_DECODERS and width * height > _MAX_SLOW_PIXELS:
        raise ImageError(
            f"image is too large for its encoding {kind} ({width} x {height} pixels, limit {_MAX_SLOW_PIXELS:,}); "
            "save it as PNG"
        )


def _undecoded(picture: Any) -> bool:
    # Files of WebP and icons have no tiles. Before Pillow 11 every file counts as undecoded.
    return isinstance(picture, ImageFile.ImageFile) and (bool(picture.tile) or getattr(picture, "_im", None) is None)


def shrunk(picture: Image.Image) -> Image.Image:
    """Return a picture of at most :data:`KEPT_PIXELS` pixels: itself, or means of 2 x 2, 4 x 4, ... of its pixels."""
    while picture.width * picture.height > KEPT_PIXELS:
        picture = picture.reduce(2)
    return picture


def unknown_format() -> str:
    """Return the message for content in none of :data:`FORMATS`."""
    return f"not an image in a format that is read; {_advice()}"


def _advice() -> str:
    return f"save it as one of {', '.join(FORMATS)}"


def _prepare_jpeg(picture: Any, content: bytes, max_pixels: int) -> float:
    """Return the bytes per pixel of a JPEG, after it is set to a half or less of its size where it is large."""
    scans = count_scans(content or _content(picture))
    if scans > _MAX_SCANS:
        raise ImageError(f"image consists of {scans:,} scans, limit {_MAX_SCANS}; save it again")
    pixels = picture.width * picture.height
    coefficients = 0.0
    if scans > 1:
        samples = [horizontal * vertical for _, horizontal, vertical, _ in picture.layer]
        largest = max(layer[1] for layer in picture.layer) * max(layer[2] for layer in picture.layer)
        coefficients = _COEFFICIENT_BYTES * sum(samples) / max(1, largest)
    part = 1
    while part < 8 and pixels > part**2 * KEPT_PIXELS:
        part *= 2
    if part > 1 and pixels <= max_pixels:
        picture.draft(None, (max(1, picture.width // part), max(1, picture.height // part)))
    return max(_BYTES / part**2, 4 / part**2 + coefficients)


def _content(picture: Any) -> bytes:
    """Return the file of a picture that the caller has opened."""
    place = picture.fp.tell()
    picture.fp.seek(0)
    content: bytes = picture.fp.read()
    picture.fp.seek(place)
    return content


def count_scans(content: bytes) -> int:
    """Return the number of scans of the first picture in a JPEG file."""
    position, scans = 2, 0
    while (found := _MARKER.search(content, position)) is not None:
        kind = found.group(1)[0]
        position = found.end()
        if kind == _EOI:
            break
        if kind in (_SOI, _TEM):
            continue
        scans += kind == _SOS
        position += int.from_bytes(content[position : position + 2], "big")
    return scans


def _check_tiff(picture: Any) -> float:
    """Return the bytes per pixel of a TIFF's own pixels, which may be in memory beside the decoded ones."""
    tags = picture.tag_v2
    bits = tags.get(_BITS, (1,))
    size = sum(bits if isinstance(bits, tuple) else (bits,)) / 8
    width, length = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_LENGTH, 0)
    if not (isinstance(width, int) and isinstance(length, int)) or width * length * size > MAX_MEMORY / 4:
        raise ImageError(f"the tiles of the image are too large ({width} x {length} pixels); save it again")
    return size
