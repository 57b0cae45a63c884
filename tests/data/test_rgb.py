"""One picture has the same pixels whatever holds it: a file, bytes, an object of Pillow, a frame, an array."""

from __future__ import annotations

import io
import itertools
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from clfa.data import read_corpus
from clfa.data.images import image_key, load_image, read_image_bytes
from clfa.data.rgb import from_array
from clfa.errors import ImageError

W, H = 7, 5
NOISE = np.random.default_rng(7).integers(0, 256, (H, W, 4), dtype=np.uint8)
ORIENTATION = 0x0112


def _sixteen(channels: np.ndarray) -> np.ndarray:
    return channels.astype(np.uint16) * 257


def _animation() -> bytes:
    frames = [Image.fromarray(NOISE[..., :3]), Image.new("RGB", (W, H), (0, 255, 0))]
    return _encode(frames[0], "PNG", save_all=True, append_images=frames[1:])


def _encode(picture: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=format, **options)
    return buffer.getvalue()


def _raw(mode: str) -> Image.Image:
    size = W * H * len(Image.new(mode, (1, 1)).tobytes())
    return Image.frombytes(mode, (W, H), np.resize(NOISE, size).tobytes())


def _turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return _encode(Image.fromarray(NOISE[..., :3]), "PNG", exif=exif)


rgba = Image.fromarray(NOISE)
# Every mode of Pillow and every way of a file to be transparent, encoded.
FILES: dict[str, bytes] = {
    "1": _encode(rgba.convert("1"), "PNG"),
    "1, one colour transparent": _encode(rgba.convert("1"), "PNG", transparency=1),
    "L": _encode(rgba.convert("L"), "PNG"),
    "L, one colour transparent": _encode(
        rgba.convert("L"), "PNG", transparency=int(rgba.convert("L").getpixel((0, 0)))
    ),
    "LA": _encode(rgba.convert("LA"), "PNG"),
    "P": _encode(rgba.convert("RGB").quantize(9), "PNG"),
    "P, one entry transparent": _encode(rgba.convert("RGB").quantize(9), "PNG", transparency=3),
    "P, alpha of each entry": _encode(rgba.convert("RGB").quantize(9), "PNG", transparency=bytes(range(0, 225, 25))),
    "PA": _encode(rgba.convert("P").convert("PA"), "TIFF"),
    "RGB": _encode(rgba.convert("RGB"), "PNG"),
    "RGB, one colour transparent": _encode(rgba.convert("RGB"), "PNG", transparency=tuple(NOISE[2, 3, :3].tolist())),
    "RGBA": _encode(rgba, "PNG"),
    "RGBX": _encode(rgba.convert("RGBX"), "TIFF"),
    "CMYK": _encode(rgba.convert("CMYK"), "TIFF"),
    "CMYK JPEG": _encode(rgba.convert("CMYK"), "JPEG"),
    "YCbCr": _encode(rgba.convert("RGB").convert("YCbCr"), "TIFF"),
    "LAB": _encode(_raw("LAB"), "TIFF"),
    "I": _encode(_raw("I"), "TIFF"),
    "F": _encode(Image.fromarray(NOISE[..., 0].astype(np.float32) / 255), "TIFF"),
    "I;16": _encode(Image.fromarray(_sixteen(NOISE[..., 0])), "PNG"),
    "I;16, one colour transparent": _encode(
        Image.fromarray(_sixteen(NOISE[..., 0])), "PNG", transparency=int(NOISE[2, 3, 0]) * 257
    ),
    "I;16B": _encode(_raw("I;16B"), "TIFF"),
    "animation": _animation(),
    **{f"orientation {value}": _turned(value) for value in range(1, 9)},
}


def _opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def _loaded(content: bytes) -> Image.Image:
    picture = _opened(content)
    picture.load()
    return picture


@pytest.mark.parametrize("name", FILES)
def test_every_form_of_a_picture_has_the_same_pixels(name: str, tmp_path: Path) -> None:
    content = FILES[name]
    path = tmp_path / "picture"
    path.write_bytes(content)
    expected = load_image(content)
    assert expected.mode == "RGB"
    forms: dict[str, Any] = {
        "path": path,
        "mapping": {"bytes": None, "path": str(path)},
        "opened": _opened(content),
        "loaded": _loaded(content),
        "copy": _opened(content).copy(),
        "encoded again": read_image_bytes(_opened(content)),
        "array": np.asarray(expected),
        "array, channels first": np.moveaxis(np.asarray(expected), 2, 0),
        "array of 16 bits": _sixteen(np.asarray(expected)),
        "array of fractions": np.asarray(expected) / np.float32(255),
    }
    for form, picture in forms.items():
        assert load_image(picture).tobytes() == expected.tobytes(), form
    # Pictures in memory are stored by their pixels: the same key for the same picture, however it is held.
    in_memory = [forms[form] for form in ("opened", "loaded", "copy", "array", "array of 16 bits")]
    assert len({image_key(picture) for picture in in_memory}) == 1


@pytest.mark.parametrize("mode", ["La", "RGBa", "HSV", "I;16L", "I;16B", "I;16N"])
def test_modes_that_no_file_has(mode: str) -> None:
    premultiplied = {"La": "LA", "RGBa": "RGBA"}
    picture = rgba.convert(premultiplied[mode]).convert(mode) if mode in premultiplied else _raw(mode)
    loaded = load_image(picture)
    assert (loaded.mode, loaded.size) == ("RGB", (W, H))
    assert load_image(read_image_bytes(picture)).tobytes() == loaded.tobytes()


def test_an_orientation_turns_a_picture_and_changes_its_key() -> None:
    lying = load_image(_turned(1))
    keys = {image_key(_opened(_turned(1)))}
    for value in range(2, 9):
        turned = load_image(_opened(_turned(value)))
        assert turned.size == ((H, W) if value > 4 else (W, H))
        assert turned.tobytes() != lying.tobytes()
        keys.add(image_key(_opened(_turned(value))))
    assert len(keys) == 8
    quarter = np.asarray(load_image(_opened(_turned(6))))
    assert np.array_equal(quarter, np.rot90(np.asarray(lying), -1))


def test_transparent_16_bit_pixels_are_white() -> None:
    grey = load_image(FILES["I;16, one colour transparent"])
    transparent = NOISE[..., 0] == NOISE[2, 3, 0]
    assert np.array_equal(np.asarray(grey)[..., 0], np.where(transparent, 255, NOISE[..., 0]))
    colours = _png_16_bit(2, _sixteen(NOISE[..., :3]), bytes(_sixteen(NOISE[2, 3, :3]).astype(">u2")))
    loaded = np.asarray(load_image(colours))
    assert loaded[2, 3].tolist() == [255, 255, 255]
    assert np.array_equal(loaded[0], NOISE[0, :, :3])
    for kind, channels in ((4, NOISE[..., [0, 3]]), (6, NOISE)):
        alpha = np.asarray(load_image(_png_16_bit(kind, _sixteen(channels))), dtype=float)
        colour, opacity = channels[..., :-1].astype(float), channels[..., -1:] / 255
        assert np.abs(alpha - (colour * opacity + 255 * (1 - opacity))).max() <= 1


@pytest.mark.parametrize("bits", [2, 4])
def test_a_transparent_colour_has_the_depth_of_its_file(bits: int) -> None:
    top = 2**bits - 1
    row = bytes([int("".join(f"{value:0{bits}b}" for value in [0, top] * (4 // bits)), 2)])
    width = 8 // bits
    content = _png(width, 1, bits, 0, b"\0" + row, top.to_bytes(2, "big"))
    for picture in (content, _opened(content)):
        assert [load_image(picture).getpixel((x, 0))[0] for x in range(2)] == [0, 255]
    content = _png(width, 1, bits, 0, b"\0" + row, b"\0\0")
    assert {load_image(content).getpixel((x, 0)) for x in range(width)} == {(255, 255, 255)}


def _png_16_bit(kind: int, values: np.ndarray, transparent: bytes = b"") -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return _png(values.shape[1], values.shape[0], 16, kind, rows, transparent)


def _png(width: int, height: int, bits: int, kind: int, rows: bytes, transparent: bytes = b"") -> bytes:
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([bits, kind, 0, 0, 0])
    chunks = [(b"IHDR", header), (b"tRNS", transparent), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks if one[1] or one[0] != b"tRNS")


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (NOISE[..., 0], NOISE[..., [0, 0, 0]]),
        (NOISE[..., :1], NOISE[..., [0, 0, 0]]),
        (NOISE[None, ..., 0], NOISE[..., [0, 0, 0]]),
        (NOISE[..., :3].astype(np.int64), NOISE[..., :3]),
        (NOISE[..., :3].astype(np.float64), NOISE[..., :3]),
        (NOISE[..., :3].astype(np.float16), NOISE[..., :3]),
        (_sixteen(NOISE[..., :3]).astype(np.int32), NOISE[..., :3]),
        (NOISE[..., 0] > 99, np.where(NOISE[..., [0, 0, 0]] > 99, 255, 0)),
        (np.dstack([NOISE[..., :3], np.full((H, W), 255)]), NOISE[..., :3]),
        (np.dstack([NOISE[..., :3] / 1.0, np.ones((H, W))]), NOISE[..., :3]),
        (np.dstack([NOISE[..., :3], np.zeros((H, W))]), np.full((H, W, 3), 255)),
        (np.array([[np.nan, np.inf, 0.5]]), np.array([[[0] * 3, [0] * 3, [128] * 3]])),
        (np.array([[-1.0, 0.0, 1.0]]), np.array([[[0] * 3, [128] * 3, [255] * 3]])),
        (np.array([[-1e308, 1e308]]), np.array([[[0] * 3, [255] * 3]])),
        (NOISE[..., :3] / 255 * 1.1 - 0.05, np.rint((NOISE[..., :3] / 255 * 1.1 - 0.05).clip(0, 1) * 255)),
        (np.array([[0.0, 1.0001]]), np.array([[[0] * 3, [255] * 3]])),
        (np.array([[300.0, 300.0]]), np.array([[[255] * 3] * 2])),
    ],
)
def test_arrays(array: np.ndarray, expected: np.ndarray) -> None:
    assert np.array_equal(np.asarray(load_image(array)), expected)


@given(
    arrays(
        st.sampled_from([np.uint8, np.uint16, np.int16, np.int64, np.float32, np.bool_]),
        st.tuples(st.integers(1, 4), st.integers(1, 4), st.just(3)),
    )
)
def test_the_layout_of_an_array_in_memory_does_not_matter(array: np.ndarray) -> None:
    expected = load_image(array).tobytes()
    wide = np.zeros((2 * array.shape[0], *array.shape[1:]), array.dtype)
    wide[::2] = array
    flipped = np.ascontiguousarray(array[::-1])
    fixed = array.copy()
    fixed.setflags(write=False)
    others = [array.astype(array.dtype.newbyteorder()), np.asfortranarray(array), wide[::2], flipped[::-1], fixed]
    assert [load_image(other).tobytes() for other in others] == [expected] * len(others)


def test_a_tensor_is_an_array() -> None:
    import torch

    assert load_image(torch.from_numpy(NOISE[..., :3]).permute(2, 0, 1)).tobytes() == NOISE[..., :3].tobytes()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.zeros((2, 3, 4, 3)),
            r"<float64 array 2x3x4x3>: an array of 2 x 3 x 4 x 3 is no image; give height x width",
        ),
        (np.zeros((9, 9, 5)), "9 x 9 x 5 is no image"),
        (np.zeros((0, 5)), "0 x 5 is no image"),
        (np.array(["a"]), "an array of <U1 is no image; give numbers"),
        (Image.new("RGB", (0, 3)), r"the image has no pixels \(0 x 3\)"),
    ],
)
def test_what_is_no_picture_is_named(array: Any, message: str) -> None:
    for function in (load_image, read_image_bytes, image_key):
        with pytest.raises(ImageError, match=message):
            function(array)


@given(
    arrays(
        st.sampled_from([np.uint8, np.uint16, np.int32, np.float32, np.float64, np.bool_]),
        array_shapes(min_dims=1, max_dims=4, max_side=5),
    )
)
def test_any_array_is_a_picture_or_an_error(array: np.ndarray) -> None:
    try:
        picture = from_array(array)
    except ImageError:
        return
    assert load_image(picture).mode == "RGB"
    assert load_image(read_image_bytes(array)).tobytes() == load_image(array).tobytes()


PICTURES: list[tuple[str, Callable[[], Any]]] = [
    ("array", lambda: NOISE[..., :3]),
    ("channels first", lambda: np.moveaxis(NOISE[..., :3], 2, 0) / 255),
    ("list of arrays", lambda: [NOISE[..., :3], NOISE]),
    ("CMYK", lambda: rgba.convert("CMYK")),
    ("float", lambda: _raw("F")),
    ("turned", lambda: _opened(_turned(6))),
]


@pytest.mark.parametrize(("name", "make"), PICTURES, ids=[name for name, _ in PICTURES])
def test_pictures_of_frames(name: str, make: Callable[[], Any], tmp_path: Path) -> None:
    Image.fromarray(NOISE[..., :3]).save(tmp_path / "0.png")
    picture = make()
    cells = ["0.png", picture, np.zeros((3, 3, 3, 3)), None]
    frame = pd.DataFrame({"text": list("abcd"), "label": ["x", "y", "x", "y"], "image": cells})
    corpus = read_corpus("table", frame, as_split="test", image_root=str(tmp_path))
    images = list(
        itertools.chain(*([one] if isinstance(one, dict) else one for one in corpus.splits["test"]["image"][:3]))
    )
    kept = picture if isinstance(picture, list) else [picture]
    assert [load_image(one).tobytes() for one in images[1:-1]] == [load_image(one).tobytes() for one in kept]
    with pytest.raises(ImageError, match=r"^<float64 array 3x3x3x3>: an array of 3 x 3 x 3 x 3 is no image"):
        load_image(images[-1])
    assert corpus.splits["test"]["image"][3] is None
