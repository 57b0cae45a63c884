"""Reader for MultiOFF (Suryawanshi et al. 2020): memes about the US election of 2016, offensive or not.

Layout: ``Split Dataset/{Training,Validation,Testing}_meme_dataset.csv`` with ``image_name``, ``sentence`` and
``label``, and ``Labelled Images/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clfa.data.corpus_builder import CorpusBuilder, Fields
from clfa.data.layout import layout_error
from clfa.data.picture_folder import PictureFolder
from clfa.data.schema import Corpus
from clfa.targets.cells import UnusableCell

LABELS = ["non-offensive", "offensive"]

_FOLDERS = ("Split Dataset", "Split_Dataset", ".")
_FILES = {
    "train": "Training_meme_dataset.csv",
    "validation": "Validation_meme_dataset.csv",
    "test": "Testing_meme_dataset.csv",
}


def read(data_dir: str, *, images_dir: str | None = None) -> Corpus:
    """MultiOFF: memes with their text, offensive or not.

    Args:
        data_dir: Folder with ``Split Dataset/`` and ``Labelled Images/``.
        images_dir: Folder of the pictures; by default ``Labelled Images/``. Without it every image is ``None``.

    Raises:
        DataError: If the layout is different.
    """
    root = Path(data_dir)
    places = [root / folder for folder in _FOLDERS if all((root / folder / name).is_file() for name in _FILES.values())]
    if not places:
        raise layout_error("multioff", root, f"Split Dataset/ with {', '.join(_FILES.values())}, and Labelled Images/")
    pictures = PictureFolder.find(root, ("Labelled Images", "Labelled_Images"), images_dir)
    builder = CorpusBuilder("multioff", label_names=LABELS)
    for split, name in _FILES.items():
        builder.add_table(
            split, places[0] / name, ("image_name", "sentence", "label"), lambda row: _convert(row, pictures)
        )
    return builder.build()


def _convert(row: Mapping[str, Any], pictures: PictureFolder) -> Fields:
    label = str(row["label"] or "").strip().lower()
    # The files spell it Non-offensiv.
    if label != "offensive" and not label.startswith("non-offensiv"):
        raise UnusableCell("unknown label", f"label must be offensive or Non-offensiv, got {row['label']!r}")
    name = str(row["image_name"] or "").strip()
    return {"id": name, "text": row["sentence"], "image": pictures.of(name), "label": LABELS[label == "offensive"]}
