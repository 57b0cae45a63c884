from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from clfa.issues.picture_hash import THRESHOLD, near_hashes, picture_hash
from issues.conftest import scene


def distance(one: Image.Image, other: Image.Image) -> int:
    first, second = picture_hash(one), picture_hash(other)
    assert first is not None
    assert second is not None
    return int((first != second).sum())


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue()))


@pytest.mark.parametrize("seed", range(10))
def test_copies_are_near_and_other_pictures_are_not(tmp_path: Path, seed: int) -> None:
    picture = scene(tmp_path / "a.png", seed)
    assert distance(picture, picture) == 0
    assert distance(picture, as_jpeg(picture, 40)) <= THRESHOLD
    assert distance(picture, picture.resize((32, 24))) <= THRESHOLD
    assert distance(picture, picture.resize((200, 150))) <= THRESHOLD
    assert distance(picture, ImageEnhance.Brightness(picture).enhance(0.85)) <= THRESHOLD
    assert distance(picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) > THRESHOLD
    assert distance(picture, scene(tmp_path / "b.png", seed + 100)) > THRESHOLD


def test_half_of_the_frequencies_are_above_their_median(tmp_path: Path) -> None:
    found = picture_hash(scene(tmp_path / "a.png", 0))
    assert found is not None
    assert found.shape == (64,)
    assert found[1:].sum() == 31


def test_a_ramp_has_the_hash_of_its_cosine() -> None:
    # One frequency alone in each direction: grey level 128 + 100 cos(pi (x + 1/2) / 32) is the second basis vector.
    wave = 128 + 100 * np.cos(np.pi * (np.arange(32) + 0.5) / 32)
    found = picture_hash(Image.fromarray(np.tile(wave, (32, 1)).astype(np.uint8)))
    assert found is not None
    assert found.reshape(8, 8)[0, :2].tolist() == [True, True]


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (90, 140, 20)])
def test_plain_pictures_have_no_hash(colour: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(-2, 3, (40, 40, 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    assert picture_hash(Image.fromarray(pixels)) is None


def test_unreadable_pictures_have_no_hash(tmp_path: Path) -> None:
    assert picture_hash(b"no picture") is None
    assert picture_hash(str(tmp_path / "gone.png")) is None


def test_near_hashes_are_those_within_the_threshold() -> None:
    random = np.random.default_rng(0)
    hashes = random.random((1500, 64)) < 0.5
    # Pairs that are exactly 8 and 9 bits apart, also across blocks of 1,024.
    hashes[1400] = hashes[3] ^ (np.arange(64) < 8)
    hashes[1401] = hashes[4] ^ (np.arange(64) < 9)
    hashes[6] = hashes[5]
    assert near_hashes(hashes) == [(3, 1400), (5, 6)]
    assert near_hashes(hashes, 9) == [(3, 1400), (4, 1401), (5, 6)]
    assert near_hashes(hashes[:1]) == []
