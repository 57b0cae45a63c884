"""Readers for HarMeme (Pramanick et al. 2021): memes with their text by OCR, harmful or not.

Harm-C has memes about COVID-19 (arXiv:2110.00413), Harm-P about US politics (arXiv:2109.05184). Layout:
``annotations/{train,val,test}.jsonl`` with ``id``, ``image``, ``labels`` (intensity, then the target of harmful ones)
and ``text``, and ``images/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clfa.data.corpus_builder import CorpusBuilder, Fields
from clfa.data.layout import layout_error
from clfa.data.picture_folder import PictureFolder
from clfa.data.schema import Corpus
from clfa.errors import DataError
from clfa.targets.cells import UnusableCell
from clfa.targets.spec import parse_specs

INTENSITIES = ["not harmful", "somewhat harmful", "very harmful"]
TWO_CLASSES = ["not harmful", "harmful"]
HARMED = ["individual", "organization", "community", "society"]

_STEMS = {"train": "train", "validation": "val", "test": "test"}


def read(data_dir: str, *, classes: int = 2, harmed: bool = False, images_dir: str | None = None) -> Corpus:
    """HarMeme, the part about COVID-19 (Harm-C): memes, harmful or not.

    Args:
        data_dir: Folder with ``annotations/`` and ``images/``.
        classes: 2: somewhat and very harmful memes are one class; 3: they are two.
        harmed: Whether there is a second target ``harmed``, the target of harm (individual, organization, community or
            society), which memes that are not harmful lack. The first target is then ``harm``.
        images_dir: Folder of the pictures; by default ``images/``. Without it every image is ``None``.

    Raises:
        DataError: If the layout is different, or ``classes`` is neither 2 nor 3.
    """
    return _read("harmeme", data_dir, classes, harmed, images_dir)


def read_politics(data_dir: str, *, classes: int = 2, harmed: bool = False, images_dir: str | None = None) -> Corpus:
    """HarMeme, the part about US politics (Harm-P): memes, harmful or not.

    The first release has duplicates. The authors advise to use the corrected one (``annotations/train_v1.jsonl`` and so
    on), which is preferred where both are present.

    Args:
        data_dir: See :func:`read`.
        classes: See :func:`read`.
        harmed: See :func:`read`.
        images_dir: See :func:`read`.

    Raises:
        DataError: As :func:`read`.
    """
    return _read("harmeme-politics", data_dir, classes, harmed, images_dir)


def _read(name: str, data_dir: str, classes: int, harmed: bool, images_dir: str | None) -> Corpus:
    if classes not in (2, 3):
        raise DataError(f"classes of {name} must be 2 (harmful or not) or 3 (with the intensity), got {classes!r}")
    root = Path(data_dir)
    folder = root / "annotations"
    # The corrected release of Harm-P (version 1) has train_v1.jsonl and so on.
    releases = [{split: f"{stem}{version}.jsonl" for split, stem in _STEMS.items()} for version in ("_v1", "")]
    files = next((files for files in releases if all((folder / file).is_file() for file in files.values())), None)
    if files is None:
        raise layout_error(name, root, "annotations/ with train.jsonl, val.jsonl and test.jsonl, and a folder images/")
    pictures = PictureFolder.find(root, ("images",), images_dir)
    names = TWO_CLASSES if classes == 2 else INTENSITIES
    targets = parse_specs({"harm": {"label_names": names}, "harmed": {"label_names": HARMED}}) if harmed else None
    builder = CorpusBuilder(name, targets=targets, label_names=names)

    def convert(row: Mapping[str, Any]) -> Fields:
        intensity, target = _labels(row["labels"])
        label = names[min(INTENSITIES.index(intensity), classes - 1)]
        kept = {"id": row["id"], "text": row["text"], "image": pictures.of(row["image"])}
        return kept | ({"harm": label, "harmed": target} if harmed else {"label": label})

    for split, file in files.items():
        builder.add_table(split, folder / file, ("id", "image", "labels", "text"), convert)
    return builder.build()


def _labels(cell: Any) -> tuple[str, str | None]:
    if not isinstance(cell, list) or not cell or cell[0] not in INTENSITIES:
        raise UnusableCell("unknown label", f"labels must begin with one of {', '.join(INTENSITIES)}, got {cell!r}")
    target = cell[1] if len(cell) > 1 else None
    return cell[0], target
