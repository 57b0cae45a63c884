from __future__ import annotations

import contextlib
import hashlib
import io
import os
import struct
import zlib
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clfa.data.images import image_key, load_image, read_image_bytes
from clfa.errors import ImageError


def encode(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=format, **options)
    return buffer.getvalue()


def red(size: tuple[int, int] = (6, 4)) -> Image.Image:
    return Image.new("RGB", size, (200, 10, 20))


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    path.write_bytes(encode(red()))
    return path


def test_every_kind_of_source_gives_the_same_picture(png: Path) -> None:
    data = png.read_bytes()
    with fsspec.open("memory://clfa-test/red.png", "wb") as file:
        file.write(data)
    sources = [
        str(png),
        png,
        data,
        f"file://{png}",
        "memory://clfa-test/red.png",
        {"bytes": data, "path": None},
        {"bytes": None, "path": str(png)},
        {"bytes": data, "path": "does-not-exist.png"},
        Image.open(png),
    ]
    for source in sources:
        picture = load_image(source)
        assert picture.mode == "RGB"
        assert picture.size == (6, 4)
        assert picture.getpixel((0, 0)) == (200, 10, 20)


def test_exif_orientation_is_applied() -> None:
    picture = red((8, 4))
    picture.paste((0, 0, 255), (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # Rotate by 90 degrees clockwise to view.
    loaded = load_image(encode(picture, "PNG", exif=exif))
    assert loaded.size == (4, 8)
    assert loaded.getpixel((1, 1)) == (0, 0, 255)
    assert loaded.getpixel((1, 6)) == (200, 10, 20)


def test_broken_exif_does_not_lose_the_picture() -> None:
    assert load_image(encode(red(), "PNG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff")).size == (6, 4)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_is_composited_on_white(mode: str) -> None:
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    picture.putpixel((1, 0), (0, 0, 0, 255))
    converted = picture.convert("P").convert("PA") if mode == "PA" else picture.convert(mode)
    if mode == "PA":
        converted.putalpha(picture.getchannel("A"))
    loaded = load_image(converted)
    assert loaded.getpixel((0, 0)) == (255, 255, 255)
    assert loaded.getpixel((1, 0)) == (0, 0, 0)


def test_palette_with_transparent_entry_is_composited_on_white() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50] + [0] * 750)
    picture.putpixel((1, 0), 1)
    loaded = load_image(encode(picture, "PNG", transparency=0))
    assert loaded.getpixel((0, 0)) == (255, 255, 255)
    assert loaded.getpixel((1, 0)) == (200, 100, 50)


def test_cmyk_grey_and_bilevel() -> None:
    cmyk = load_image(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "TIFF"))
    assert cmyk.getpixel((8, 8)) == (255, 0, 0)
    assert load_image(encode(Image.new("L", (2, 2), 77))).getpixel((0, 0)) == (77, 77, 77)
    assert load_image(encode(Image.new("1", (2, 2), 1))).getpixel((0, 0)) == (255, 255, 255)


def test_16_bit_is_scaled_not_clipped() -> None:
    values = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    loaded = load_image(encode(Image.fromarray(values)))
    assert [loaded.getpixel((x, 0))[0] for x in range(3)] == [0, 100, 255]


@pytest.mark.parametrize(
    ("mode", "dtype", "values", "expected"),
    [
        ("I", np.int32, [0, 128, 255], [0, 128, 255]),
        ("I", np.int32, [0, 257 * 50, 65535], [0, 50, 255]),
        ("I", np.int32, [-100, 0, 155], [0, 100, 255]),
        ("F", np.float32, [0.0, 0.5, 1.0], [0, 128, 255]),
        ("F", np.float32, [0.0, float("nan"), 200.0], [0, 0, 200]),
    ],
)
def test_integer_and_float_pixels(mode: str, dtype: type, values: list[float], expected: list[int]) -> None:
    picture = Image.fromarray(np.array([values], dtype=dtype))
    assert picture.mode == mode
    assert [load_image(picture).getpixel((x, 0))[0] for x in range(3)] == expected


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (3, 3), (255, 0, 0)), Image.new("RGB", (3, 3), (0, 255, 0))]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert load_image(data).getpixel((1, 1)) == (255, 0, 0)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: image file not found"):
        load_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match=r"memory://clfa-test/gone\.jpg"):
        load_image("memory://clfa-test/gone.jpg")


def test_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ImageError, match=r"empty\.jpg: image is empty"):
        load_image(tmp_path / "empty.jpg")


def test_text_is_not_an_image(tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_text("<html>404</html>")
    with pytest.raises(ImageError, match=r"page\.jpg: not an image"):
        load_image(tmp_path / "page.jpg")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_truncated_file_is_named(tmp_path: Path, format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / "half.img"
    path.write_bytes(encode(Image.fromarray(noise), format)[:-2000])
    with pytest.raises(ImageError, match=r"half\.img: "):
        load_image(path)


def test_directory_and_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not a regular file"):
        load_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match=r"pipe\.jpg: not a regular file"):
        load_image(tmp_path / "pipe.jpg")


def test_too_many_bytes(png: Path) -> None:
    with pytest.raises(ImageError, match=r"red\.png: image is too large \(more than 10 bytes\)"):
        load_image(png, max_bytes=10)


def test_too_many_pixels(png: Path) -> None:
    with pytest.raises(ImageError, match=r"red\.png: image is too large \(6 x 4 pixels, limit 23\)"):
        load_image(png, max_pixels=23)
    assert load_image(png, max_pixels=24).size == (6, 4)


def test_decompression_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\x00" * 100)) + chunk(b"IEND", b""))
    with pytest.raises(ImageError, match=r"bomb\.png: image is too large"):
        load_image(path)


@pytest.mark.parametrize("nothing", [None, {"bytes": None, "path": None}, "", 7])
def test_no_image(nothing: object) -> None:
    with pytest.raises(ImageError, match="no image"):
        load_image(nothing)  # type: ignore[arg-type]


def test_unknown_protocol_is_an_image_error() -> None:
    with pytest.raises(ImageError, match="nosuch://a"):
        load_image("nosuch://a/b.png")


def test_key_depends_on_content_alone(png: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes(png.read_bytes())
    expected = hashlib.blake2b(png.read_bytes(), digest_size=16).digest()
    assert image_key(png) == image_key({"bytes": None, "path": str(copy)}) == image_key(png.read_bytes()) == expected
    assert image_key(encode(red((6, 5)))) != expected


def test_read_image_bytes_of_a_pil_image_is_lossless() -> None:
    assert load_image(read_image_bytes(red())).tobytes() == red().tobytes()


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_arbitrary_bytes_load_or_raise_image_error(data: bytes) -> None:
    for candidate in (data, encode(red())[:20] + data):
        with contextlib.suppress(ImageError):
            assert load_image(candidate).mode == "RGB"
