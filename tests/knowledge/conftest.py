from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from clfa.data import Corpus
from clfa.data.assemble import SampleFields, image_at, to_splits
from clfa.targets.default_label import default_label
from knowledge.wordnet import write_wordnet


@pytest.fixture(scope="session")
def wordnet_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wordnet(tmp_path_factory.mktemp("wordnet") / "dict")


@pytest.fixture
def make_corpus(tmp_path: Path) -> Callable[..., Corpus]:
    """A corpus whose pictures are of red 0, 1, 2, ... in the order of their samples."""

    def make(train: int = 4, validation: int = 2, images: bool = True) -> Corpus:
        rows: dict[str, list[SampleFields]] = {"train": [], "validation": []}
        for number in range(train + validation):
            path = tmp_path / f"{number}.png"
            Image.new("RGB", (5, 4), (number, 0, 0)).save(path)
            image = image_at(str(path)) if images else None
            row: SampleFields = {
                "id": f"s{number}",
                "text": "a post",
                "image": image,
                "knowledge": None,
                "label": number % 2,
            }
            rows["train" if number < train else "validation"].append(row)
        return Corpus("synthetic", to_splits(rows, ["a", "b"]), [default_label(["a", "b"])])

    return make
