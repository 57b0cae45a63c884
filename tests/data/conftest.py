"""Synthetic data sets in the official layouts; texts are invented, pictures are plain colours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import Dataset
from PIL import Image

from clfa.data.assemble import SampleFields, image_at, to_dataset, to_splits
from clfa.data.schema import Corpus
from clfa.targets.default_label import default_label

Votes = list[str]


def picture(path: Path, colour: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (5, 4), (colour % 256, 80, colour // 256)).save(path)
    return path


@pytest.fixture
def make_mvsa(tmp_path: Path) -> Callable[..., Path]:
    """Writes MVSA's layout: votes by id, plus media of ids without a label line."""

    def make(
        votes: dict[str, Votes], unlabelled: tuple[str, ...] = (), folds: dict[int, dict[str, str]] | None = None
    ) -> Path:
        root = tmp_path / "mvsa"
        annotators = max(map(len, votes.values()))
        lines = ["ID" + "\ttext,image" * annotators]
        lines += ["\t".join([id, *pairs]) for id, pairs in votes.items()]
        (root / "data").mkdir(parents=True)
        (root / "labelResultAll.txt").write_text("\n".join(lines) + "\n")
        for number, id in enumerate([*votes, *unlabelled]):
            picture(root / "data" / f"{id}.jpg", number)
            (root / "data" / f"{id}.txt").write_bytes(f"post {id}…\n".encode("gb18030"))
        for fold, parts in (folds or {}).items():
            folder = root / "splits" / f"fold_{fold}"
            folder.mkdir(parents=True)
            for name in ("train", "val", "test"):
                (folder / f"{name}.txt").write_text("\n".join(parts[name].split()) + "\n")
        return root

    return make


@pytest.fixture
def mmsd_dir(tmp_path: Path) -> Path:
    """MMSD and MMSD2.0 with a handful of samples, attribute words and OCR, without images."""
    root = tmp_path / "mmsd"
    (root / "original").mkdir(parents=True)
    (root / "mmsd2").mkdir()
    files = {
        "train.txt": ["['1', 'what a  day', 1]", "['2', 'great <url>', 1]", "['3', \"it 's fine\", 0]", "not a list"],
        "valid2.txt": ["['4', 'so good', 1, 0]"],
        "test2.txt": ["['5', 'such irony', 0, 1]", "['6', 'sunny again', 1, 1]"],
    }
    for name, lines in files.items():
        (root / "original" / name).write_text("\n".join(lines) + "\n")
    records = {
        "train.json": [{"image_id": 1, "text": "what a day", "label": 1}, {"image_id": 3, "text": "fine", "label": 0}],
        "valid.json": [{"image_id": 4, "text": "so good", "label": 1}],
        "test.json": [{"image_id": 6, "text": "sunny again", "label": 0}, {"image_id": 7, "text": "no label"}],
    }
    for name, content in records.items():
        (root / "mmsd2" / name).write_text(json.dumps(content))
    (root / "image_attributes.txt").write_text("['1', 'dog', 'park']\n['3', 'cat']\n[broken\n")
    (root / "image_ocr.txt").write_text("1 stop  here\n9 unused\n")
    return root


@pytest.fixture
def make_corpus(tmp_path: Path) -> Callable[..., Corpus]:
    """A two-class corpus with pictures, ``sizes`` samples per split, alternating labels."""

    def make(train: int = 8, validation: int = 4, test: int = 4, unlabelled: int = 0, images: bool = True) -> Corpus:
        counter = iter(range(10_000))

        def row(label: int | None) -> SampleFields:
            number = next(counter)
            image = image_at(str(picture(tmp_path / "pictures" / f"{number}.png", number))) if images else None
            return {"id": f"s{number}", "text": f"post {number}", "image": image, "knowledge": None, "label": label}

        sizes = {"train": train, "validation": validation, "test": test}
        rows = {split: [row(i % 2) for i in range(size)] for split, size in sizes.items()}
        names = ["plain", "odd"]
        extra: Dataset | None = to_dataset([row(None) for _ in range(unlabelled)], names) if unlabelled else None
        return Corpus("synthetic", to_splits(rows, names), [default_label(names)], extra)

    return make
