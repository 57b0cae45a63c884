"""Limits of pictures: formats, memory, time and shape."""

from __future__ import annotations

import ctypes
import gc
import io
import multiprocessing
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from clfa.data import images
from clfa.data.limits import FORMATS, KEPT_PIXELS, MAX_RATIO, count_scans
from clfa.data.rgb import from_array
from clfa.errors import ImageError

load_image = images.load_image
STATUS = Path("/proc/self/status")
TURNED = Image.Exif()
TURNED[0x0112] = 6


def encode(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def plain(mode: str = "RGB", size: tuple[int, int] = (4500, 4500)) -> Image.Image:
    return Image.new(mode, size, 7 if len(mode) == 1 else None)


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims a size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


def scans(count: int, size: tuple[int, int] = (640, 640)) -> bytes:
    """A progressive JPEG that repeats its last scan."""
    content = encode(plain(size=size), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * count + b"\xff\xd9"


def tiles(side: int) -> bytes:
    """A TIFF of 16 x 16 pixels in one tile."""
    tags = [(256, 4, 16), (257, 4, 16), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1), (322, 4, side),
            (323, 4, side), (324, 4, 0), (325, 4, 0)]  # fmt: skip
    content = zlib.compress(bytes(side * 16))
    start = 8 + 2 + 12 * len(tags) + 4
    values = {324: start, 325: len(content)}
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, values.get(tag, value)) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + content


# Name -> the largest picture of its kind that is read, or one that must be refused.
WORST: dict[str, Callable[[], Any]] = {
    "PNG, turned": lambda: encode(plain(), exif=TURNED, compress_level=1),
    "PNG, transparent": lambda: encode(plain("RGBA"), compress_level=1),
    "PNG, a transparent colour": lambda: encode(plain(), transparency=(1, 2, 3), compress_level=1),
    "PNG, 16 bits": lambda: encode(plain("I;16"), compress_level=1),
    "PNG, animated": lambda: encode(
        plain(size=(900, 900)), save_all=True, append_images=[Image.new("RGB", (900, 900), (n, 0, 0)) for n in range(9)]
    ),
    "GIF": lambda: encode(plain("L"), "GIF", transparency=7),
    "GIF, animated": lambda: encode(
        plain("L", (900, 900)), "GIF", save_all=True, append_images=[plain("L", (900, 900)) for _ in range(9)]
    ),
    "BMP": lambda: encode(plain(size=(4000, 4000)), "BMP"),
    "PPM": lambda: encode(plain(size=(4000, 4000)), "PPM"),
    "TIFF, floats": lambda: encode(plain("F", (3500, 3500)), "TIFF", compression="tiff_adobe_deflate"),
    "TIFF, transparent": lambda: encode(plain("RGBA", (4100, 4100)), "TIFF", compression="tiff_lzw"),
    "TIFF, several": lambda: encode(
        plain(size=(900, 900)), "TIFF", save_all=True, append_images=[plain(size=(900, 900)) for _ in range(9)]
    ),
    "WebP": lambda: encode(plain(size=(3600, 3600)), "WEBP", method=0),
    "WebP, lossless": lambda: encode(plain("RGBA", (3600, 3600)), "WEBP", lossless=True, method=0),
    "JPEG": lambda: encode(plain(size=(9990, 9990)), "JPEG"),
    "JPEG, turned CMYK": lambda: encode(plain("CMYK", (4000, 4000)), "JPEG", exif=TURNED),
    "JPEG, progressive": lambda: encode(plain(size=(6300, 6300)), "JPEG", progressive=True, subsampling=0),
    "JPEG, 40 scans": lambda: scans(30),
    "array, floats": lambda: np.zeros((4500, 4500), np.float64),
    "array": lambda: np.zeros((4500, 4500, 4), np.uint8),
    "PIL, integers": lambda: Image.new("I", (4500, 4500), 70_000),
    "PIL, grey and alpha": lambda: Image.new("LA", (4500, 4500)),
    "long": lambda: plain(size=(1, MAX_RATIO)),
    "wide": lambda: plain(size=(MAX_RATIO * 100, 100)),
}


def memory(field: str) -> float:
    """Memory of this process in MB: ``VmRSS`` now, ``VmHWM`` at most since the last reset."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1000


def measure(name: str) -> tuple[float, float | None]:
    """Seconds of a processor and MB at most that decoding and the usual image processor take, None if not known."""
    picture = WORST[name]()
    processor = CLIPImageProcessorPil(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224})
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return 0.0, None
    before, start = memory("VmRSS"), time.process_time()
    processor(images=[load_image(picture)], return_tensors="np")
    return time.process_time() - start, memory("VmHWM") - before


@pytest.fixture(scope="module")
def other_process() -> Iterator[ProcessPoolExecutor]:
    """A process of its own: what earlier tests left in memory, and their threads, would be part of the figures."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.mark.slow
@pytest.mark.parametrize("name", WORST)
def test_memory_and_time_of_the_largest_pictures(name: str, other_process: ProcessPoolExecutor) -> None:
    """Decoding and the usual image processor need at most 300 MB more and 2 s of a processor."""
    seconds, megabytes = other_process.submit(measure, name).result()
    if megabytes is None:
        pytest.skip("this system does not say how much memory was used at most")
    assert seconds < 2
    assert megabytes < 300


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: png_claiming(100_000, 100_000), r"too large( \(100000 x 100000 pixels, limit|: Image size)"),
        (lambda: png_claiming(9_000, 9_000), r"too large \(9000 x 9000 pixels, limit 2\d,\d{3},\d{3}\); shrink"),
        (lambda: encode(plain(size=(3800, 3800)), "WEBP", method=0), r"too large \(3800 x 3800 pixels, limit 1\d,"),
        (lambda: encode(plain(size=(1, 20_000))), r"too long \(1 x 20000 pixels, limit 50 to 1\); crop it"),
        (lambda: plain(size=(51, 1)), r"too long \(51 x 1 pixels, limit 50 to 1\)"),
        (lambda: np.zeros((1, 51)), r"too long \(51 x 1 pixels"),
        (lambda: np.zeros((3, 1, 51), np.uint8), r"too long \(51 x 1 pixels"),
        (lambda: np.broadcast_to(np.uint8(0), (90_000, 90_000)), r"too large \(90000 x 90000 pixels"),
        (lambda: scans(100), r"image consists of 110 scans, limit 40; save it again"),
        (lambda: Image.open(io.BytesIO(scans(100))), r"image consists of 110 scans"),
        (lambda: tiles(60_000), r"the tiles of the image are too large \(60000 x 60000 pixels\)"),
        (lambda: b"P2 1200 1200 255 " + b"0 " * 1_440_000, r"too large for its encoding ppm_plain \(1200 x 1200"),
        (lambda: b"P6 1200 1200 9 " + bytes(4_320_000), r"too large for its encoding ppm \(1200 x 1200 pixels"),
    ],
)  # fmt: skip
def test_what_is_too_much(content: Callable[[], Any], message: str) -> None:
    picture = content()
    start = time.process_time()
    with pytest.raises(ImageError, match=rf"^<.*>: .*{message}"):
        load_image(picture)
    assert time.process_time() - start < 1


def test_small_pictures_in_slow_encodings_are_read() -> None:
    assert load_image(b"P2 2 1 255 0 255").getpixel((1, 0)) == (255, 255, 255)
    assert load_image(tiles(16)).size == (16, 16)
    assert count_scans(scans(0)) == 10
    assert count_scans(encode(plain(size=(8, 8)), "JPEG")) == 1
    assert count_scans(b"") == count_scans(b"\xff\xd8\xff") == 0
    assert load_image(scans(5)).size == (640, 640)


OTHERS = ("EPS", "ICO", "TGA", "PCX", "SGI", "JPEG2000", "PDF", "XBM", "IM", "MSP", "DDS", "ICNS")


@pytest.mark.parametrize("format", OTHERS)
def test_other_formats_are_not_read(format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encode(plain("1" if format in ("XBM", "MSP") else "RGB", (16, 16)), format)
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    opened = []
    monkeypatch.setattr("subprocess.Popen", lambda *arguments, **options: opened.append(arguments))
    with pytest.raises(ImageError, match=r"a\.jpg: not an image in a format that is read; save it as one of BMP, "):
        load_image(path)
    if format not in ("PDF", "ICO"):
        # A caller may have opened it. (Icons are decoded by that.)
        with pytest.raises(ImageError, match=f"pictures of the format {format} are not read; save it as one of BMP, "):
            load_image(Image.open(path))
    assert opened == []


@pytest.mark.parametrize("format", FORMATS)
def test_formats_that_are_read(format: str) -> None:
    assert load_image(encode(plain(size=(16, 12)), format)).size == (16, 12)
    content = encode(plain(size=(160, 120)), format)
    with pytest.raises(ImageError, match=r"broken or truncated|not an image"):
        load_image(content[: len(content) // 2])


def test_large_pictures_are_halved() -> None:
    checks = np.indices((4098, 4100)).sum(0).astype(np.uint8) % 2 * 200
    assert load_image(checks[:4096, :4096]).size == (4096, 4096)
    halved = load_image(checks)
    assert halved.size == (2050, 2049)
    assert halved.getextrema() == ((100, 100),) * 3
    jpeg = load_image(encode(Image.fromarray(checks), "JPEG", quality=95))
    assert (jpeg.size, KEPT_PIXELS) == ((2050, 2049), 4096**2)
    assert abs(jpeg.getpixel((9, 9))[0] - 100) < 4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64, bool])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_parts_of_a_picture_are_converted_alike(dtype: type, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = (np.random.default_rng(channels).random((40, 30, channels)) * 300 - 20).astype(dtype)
    whole = [np.asarray(from_array(values)), np.asarray(load_image(values))]
    monkeypatch.setattr("clfa.data.rgb._BAND_PIXELS", 70)
    assert (np.asarray(from_array(values)) == whole[0]).all()
    assert (np.asarray(load_image(values)) == whole[1]).all()
