from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from clfa.data import read_corpus
from clfa.data.schema import Corpus


def scene(path: Path, seed: int) -> Image.Image:
    """A 64 x 48 picture of a few coloured areas, saved as PNG."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    picture = Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return picture


@pytest.fixture
def make_posts(tmp_path: Path) -> Callable[..., Corpus]:
    """A corpus of posts whose words tell their label, with pictures; ``wrong`` positions have the other label."""

    def make(count: int = 80, wrong: tuple[int, ...] = (), pictures: bool = False) -> Corpus:
        names = ("rain", "sun")
        rows = []
        for n in range(count):
            # Consecutive numbers give unlike texts.
            filler = " ".join(f"{chr(97 + (n * 7 + k * 11) % 26) * 3}{n}" for k in range(4))
            text = f"{('cold wet grey', 'warm dry bright')[n % 2]} {filler}"
            label = names[(n % 2) ^ (n in wrong)]
            image = None
            if pictures:
                scene(tmp_path / f"img/{n}.png", n)
                image = f"img/{n}.png"
            split = ("train", "train", "validation", "test")[(n // 2) % 4]
            rows.append({"id": f"p{n}", "text": text, "image": image, "label": label, "split": split})
        return read_corpus("table", pd.DataFrame(rows), image_root=str(tmp_path))

    return make
