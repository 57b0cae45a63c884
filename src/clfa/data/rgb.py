"""Conversion of any picture, decoded by Pillow or in an array, to one upright 8-bit RGB picture.

The result depends on the pixels and the orientation alone, not on whether they come from a file, from memory or from
an array.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from clfa.data.limits import check_size
from clfa.errors import ImageError

_WHITE = (255, 255, 255, 255)
# Pixels that are converted at a time.
_BAND_PIXELS = 1 << 18
_ORIENTATION = 0x0112
# The transposition that sets each EXIF orientation upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Number of channels -> mode of a picture in an array.
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
# What interpolation may add to the ends of the scale from 0 to 1.
_BEYOND = 0.1
# Largest value of a grey level in PNG files of fewer than 8 bits, by Pillow's name of the format.
_LEVELS = {"L;2": 3, "L;4": 15}


def to_rgb(picture: Image.Image) -> Image.Image:
    """Return a picture as upright 8-bit RGB.

    The EXIF orientation is applied. Transparency (an alpha channel, a transparent colour or palette entry, of 8 or 16
    bits) is composited on white. Integer and float pixels are scaled as in :func:`from_array`. A picture with several
    frames is the frame that it shows, in an opened file the first.

    Args:
        picture: Any picture of Pillow; it is not changed except that its pixels are loaded.

    Raises:
        ImageError: If the picture has no pixels.
        Exception: What Pillow raises for broken content.
    """
    # Known only until the pixels are loaded.
    stored = _stored_format(picture)
    picture.load()
    if not picture.width or not picture.height:
        raise ImageError(f"the image has no pixels ({picture.width} x {picture.height})")
    found = _without_alpha(_plain(picture, stored))
    turn = _UPRIGHT.get(_orientation(picture))
    return found if turn is None else found.transpose(turn)


def from_array(array: Any, max_pixels: int | None = None) -> Image.Image:
    """Return the picture in an array, as 8-bit grey, grey with alpha, RGB or RGBA.

    ``uint8`` is taken as it is, ``bool`` is black and white, ``uint16`` is divided by 257. Other integers and floats
    are on the scale that their values show: floats from 0 to 1, and a tenth beyond as resizing leaves them, are
    multiplied by 255, values from 0 to 255 are taken as they are, integers from 0 to 65535 are divided by 257, and any
    others are stretched from their smallest to their largest value. Values that are not finite count as 0. A channel of
    alpha has a scale of its own.

    Args:
        array: (H, W), (H, W, C) or (C, H, W) with C from 1 to 4: grey, grey and alpha, RGB, RGBA. If both ends could
            be C, the last one is. Anything that ``numpy.asarray`` takes.
        max_pixels: Largest number of pixels; any number by default.

    Raises:
        ImageError: If the array has another shape, no pixels, or another type than numbers.
    """
    values = numbers(array)
    shape = " x ".join(map(str, values.shape)) or "one number"
    if values.dtype.kind not in "buif":
        raise ImageError(f"an array of {values.dtype} is no image; give numbers")
    if values.ndim == 3 and values.shape[2] not in _MODES and values.shape[0] in _MODES:
        values = np.moveaxis(values, 0, 2)
    if not values.size or not (values.ndim == 2 or (values.ndim == 3 and values.shape[2] in _MODES)):
        raise ImageError(f"an array of {shape} is no image; give height x width, or 1 to 4 channels first or last")
    if max_pixels is not None:
        check_size(values.shape[1], values.shape[0], max_pixels)
    channels: Any = values[..., None] if values.ndim == 2 else values
    colours = channels.shape[2] - (channels.shape[2] % 2 == 0)
    scaled: Any = np.empty(channels.shape, np.uint8)
    for own in (slice(0, colours), slice(colours, None)):
        _to_8_bit(channels[..., own], scaled[..., own])
    return Image.fromarray(scaled[..., 0] if scaled.shape[2] == 1 else scaled)


def numbers(array: Any) -> np.ndarray:
    """Return an array or tensor as an array of NumPy: also a tensor of another device or type, or with a gradient.

    Example:
        >>> import torch
        >>> numbers(torch.ones(1, 2, dtype=torch.bfloat16, requires_grad=True))
        array([[1., 1.]], dtype=float32)
    """
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        if str(array.dtype) == "torch.bfloat16":
            # NumPy has no such type.
            array = array.float()
    values = np.asarray(array)
    # In the order of this machine: TIFF files and cameras give the other one, which is another type.
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # With broken metadata, the pixels are still usable.
        return 1


def _stored_format(picture: Image.Image) -> str:
    """Return Pillow's name of the pixel format in the file ("L;4"), or an empty text."""
    for tile in getattr(picture, "tile", None) or ():
        arguments = tile[3]
        return arguments if isinstance(arguments, str) else str((arguments or [""])[0])
    return ""


def _plain(picture: Image.Image, stored: str) -> Image.Image:
    """Return a picture in one of the modes L, LA, RGB and RGBA."""
    mode = picture.mode
    key: Any = picture.info.get("transparency")
    if mode.startswith(("I", "F")):
        # A copy in the order of this machine: Pillow has modes for either order of bytes.
        values = np.asarray(picture)
        grey = from_array(values.astype(np.uint16, copy=False) if mode.startswith("I;16") else values)
        if isinstance(key, int):
            grey.putalpha(Image.fromarray((values != key) * np.uint8(255)))
        return grey
    if mode == "LAB":
        from PIL import ImageCms

        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, *profiles, outputMode="RGB") or picture
    if mode in ("LA", "RGBA"):
        return picture
    if mode in ("La", "RGBa"):
        # Colours multiplied by alpha.
        return picture.convert(mode.upper())
    if not picture.has_transparency_data:
        return picture if mode in ("L", "RGB") else picture.convert("RGB")
    if mode in ("L", "RGB") and not isinstance(key, bytes):
        # The transparent colour has the depth of the file, the pixels have 8 bits.
        top = _LEVELS.get(stored)
        sixteen = ";16" in stored or max(key if isinstance(key, tuple) else (key,)) > 255
        eight = [value * 255 // top if top else value >> 8 if sixteen else value for value in np.atleast_1d(key)]
        picture = picture.copy()
        picture.info["transparency"] = int(eight[0]) if mode == "L" else tuple(map(int, eight))
    return picture.convert("RGBA")


def _without_alpha(picture: Image.Image) -> Image.Image:
    """Return a picture as RGB, on white; without metadata, so that equal pixels are equal pictures."""
    if picture.mode not in ("LA", "RGBA"):
        found = picture.convert("RGB")
        found.info = {}
        return found
    found = Image.new("RGB", picture.size)
    for rows in _bands(picture.height, picture.width):
        part = picture.crop((0, rows.start, picture.width, rows.stop)).convert("RGBA")
        part = Image.alpha_composite(Image.new("RGBA", part.size, _WHITE), part)
        found.paste(part.convert("RGB"), (0, rows.start))
    return found


def _bands(height: int, width: int) -> Iterator[slice]:
    """Yield the rows of parts of a picture, so that what is computed of a large one needs little memory."""
    step = max(1, _BAND_PIXELS // width)
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))


def _to_8_bit(values: np.ndarray, scaled: np.ndarray) -> None:
    """Write values (H, W, C) on a scale of 8 bits to an array of ``uint8`` of the same shape."""
    # Pillow's own conversion clips at 255, so that 16-bit images become white.
    if values.dtype == np.uint8 or not values.size:
        scaled[:] = values
        return
    if values.dtype == np.bool_:
        scaled[:] = values * np.uint8(255)
        return
    bands = list(_bands(values.shape[0], values.shape[1]))
    low = min(float(_finite(values[rows]).min()) for rows in bands)
    high = max(float(_finite(values[rows]).max()) for rows in bands)
    whole = values.dtype.kind != "f"
    for rows in bands:
        scale = _finite(values[rows])
        if values.dtype == np.uint16 or (whole and 255 < high <= 65535 and low >= 0):
            scale /= 257.0
        elif not whole and low >= -_BEYOND and high <= 1 + _BEYOND:
            scale *= 255.0
        elif (low < 0 or high > 255) and high > low:
            # Halves, because the difference of the largest floats is infinite.
            scale = (scale / 2 - low / 2) / (high / 2 - low / 2) * 255.0
        scaled[rows] = np.rint(scale.clip(0, 255)).astype(np.uint8)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
