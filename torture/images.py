"""Broken images of every format: each is decoded within bounds, or refused with an error for users."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from clfa.data.images import MAX_PIXELS, load_image
from torture import battery
from torture.damage import damaged
from torture.tally import Tally

SECONDS = 5.0
MEGABYTES = 300.0
# Pillow's name of each format, and the modes of pictures that are written in it.
FORMATS = {
    "PNG": ("RGB", "RGBA", "P", "L", "LA", "1", "I;16"),
    "JPEG": ("RGB", "L", "CMYK"),
    "GIF": ("P", "L"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("RGB", "P", "L", "1"),
    "TIFF": ("RGB", "RGBA", "CMYK", "I;16", "F", "1"),
    "MPO": ("RGB",),
    "AVIF": ("RGB",),
    "ICO": ("RGBA",),
    "PPM": ("RGB", "L"),
    "TGA": ("RGB",),
    "PCX": ("RGB",),
    "JPEG2000": ("RGB",),
    "DDS": ("RGB",),
    "EPS": ("RGB",),
}


def run(trials: int, seed: int, work: Path, deadline: float, first: int = 0) -> Tally:
    """Try broken images.

    Args:
        trials: Number of images.
        seed: Seed.
        work: Not used.
        deadline: ``time.monotonic`` after which no further image is tried.
        first: Number of the first image.
    """
    del work
    numbers = range(first, first + trials)
    limits = {"seconds": SECONDS, "megabytes": MEGABYTES, "deadline": deadline}
    whole_images()
    return battery.run(Tally("images", seed), _attempt, numbers, **limits)


def _attempt(random: Random, number: int) -> str:
    name, content = random.choice(whole_images())
    if random.random() < 0.15:
        content = claim_size(name, content, random)
    if random.random() < 0.9:
        content = damaged(content, random)
    if name == "PNG" and random.random() < 0.5:
        content = with_checksums(content)
    picture = load_image(content)
    if picture.mode != "RGB" or not 0 < picture.width * picture.height <= MAX_PIXELS:
        raise AssertionError(f"a picture of mode {picture.mode} and size {picture.size}")
    picture.getpixel((picture.width - 1, picture.height - 1))
    return f"decoded: {name}"


@cache
def whole_images() -> list[tuple[str, bytes]]:
    """Return pictures of every format and mode that can be written here, with the format's name."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 4)).astype(np.uint8)
    base = Image.fromarray(np.kron(pixels, np.ones((2, 2, 1), np.uint8)), "RGBA")
    found = []
    for name, modes in FORMATS.items():
        for mode in modes:
            buffer = io.BytesIO()
            try:
                _as_mode(base, mode).save(buffer, name, **({"save_all": True} if name in ("GIF", "MPO") else {}))
            except (KeyError, OSError, ValueError):
                # This build of Pillow does not write it.
                continue
            found.append((name, buffer.getvalue()))
    return found


def _as_mode(picture: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    return picture.convert("RGB").convert(mode) if mode != "RGBA" else picture


def claim_size(name: str, content: bytes, random: Random) -> bytes:
    """Return the picture with another width or height in its header."""
    size = random.choice((0, 1, 2, 255, 9_999, 20_000, 65_535, 2**31 - 1))
    changed = bytearray(content)
    if name == "PNG":
        struct.pack_into(">I", changed, random.choice((16, 20)), size)
        return with_checksums(bytes(changed))
    if name in ("JPEG", "MPO"):
        for marker in (b"\xff\xc0", b"\xff\xc2"):
            place = content.find(marker)
            if place >= 0:
                struct.pack_into(">H", changed, place + random.choice((5, 7)), size % 65_536)
        return bytes(changed)
    places = {"GIF": ("<H", (6, 8)), "BMP": ("<i", (18, 22)), "PCX": ("<H", (8, 10)), "TGA": ("<H", (12, 14))}
    places |= {"WEBP": ("<H", (24, 26, 27, 28)), "DDS": ("<I", (12, 16))}
    if name in places:
        form, offsets = places[name]
        limit = 65_536 if form == "<H" else 2**31
        struct.pack_into(form, changed, random.choice(offsets), size % limit)
        return bytes(changed)
    if name == "TIFF":
        # Any entry of the directory: width, height, bits, strips.
        (directory,) = struct.unpack_from("<I", content, 4)
        (count,) = struct.unpack_from("<H", content, directory)
        struct.pack_into("<I", changed, directory + 2 + 12 * random.randrange(count) + 8, size)
    return bytes(changed)


def with_checksums(content: bytes) -> bytes:
    """Return a PNG file with the right checksums of its chunks, as far as chunks can be found."""
    changed, place = bytearray(content), 8
    while place + 12 <= len(changed):
        (length,) = struct.unpack_from(">I", changed, place)
        end = place + 8 + length
        if end + 4 > len(changed):
            break
        struct.pack_into(">I", changed, end, zlib.crc32(changed[place + 4 : end]))
        place = end + 4
    return bytes(changed)
