"""Readers for CrisisMMD 2.0 (Alam et al. 2018; splits of Ofli et al. 2020): tweets with an image from disasters.

Layout: ``crisismmd_datasplit_agreed_label/task_TASK_text_img_agreed_lab_{train,dev,test}.tsv`` and
``crisismmd_datasplit_all/task_TASK_text_img_{train,dev,test}.tsv`` with ``image_id``, ``tweet_text``, ``image`` and
``label`` among others, and ``data_image/``, which may be in ``CrisisMMD_v2.0/``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clfa.data.corpus_builder import CorpusBuilder, Fields
from clfa.data.layout import layout_error
from clfa.data.picture_folder import PictureFolder
from clfa.data.schema import Corpus
from clfa.tables.row import TableOptions
from clfa.targets.cells import UnusableCell

INFORMATIVE = ["not_informative", "informative"]
AGREED_CATEGORIES = [
    "not_humanitarian",
    "affected_individuals",
    "infrastructure_and_utility_damage",
    "other_relevant_information",
    "rescue_volunteering_or_donation_effort",
]
CATEGORIES = [*AGREED_CATEGORIES, "injured_or_dead_people", "missing_or_found_people", "vehicle_damage"]

_SPLITS = {"train": "train", "validation": "dev", "test": "test"}


def read_informative(data_dir: str, *, agreed: bool = True, images_dir: str | None = None) -> Corpus:
    """CrisisMMD: tweets with an image, informative for humanitarian aid or not.

    A tweet with several pictures is several samples, each with one picture.

    Args:
        data_dir: Folder with ``crisismmd_datasplit_agreed_label/`` or ``crisismmd_datasplit_all/``.
        agreed: Whether to use only samples whose text and picture have the same label, as in papers.
        images_dir: Folder of the pictures; by default ``data_image/``. Without it every image is ``None``.

    Raises:
        DataError: If the layout is different.
    """
    return _read("informative", INFORMATIVE, data_dir, agreed, images_dir)


def read_humanitarian(data_dir: str, *, agreed: bool = True, images_dir: str | None = None) -> Corpus:
    """CrisisMMD: tweets with an image, by humanitarian category.

    Args:
        data_dir: See :func:`read_informative`.
        agreed: Whether to use only samples whose text and picture have the same label, as in papers (five categories);
            otherwise there are eight categories.
        images_dir: See :func:`read_informative`.

    Raises:
        DataError: If the layout is different.
    """
    return _read("humanitarian", AGREED_CATEGORIES if agreed else CATEGORIES, data_dir, agreed, images_dir)


def _read(task: str, labels: list[str], data_dir: str, agreed: bool, images_dir: str | None) -> Corpus:
    name = f"crisismmd-{task}"
    root = Path(data_dir)
    folder = "crisismmd_datasplit_agreed_label" if agreed else "crisismmd_datasplit_all"
    stem = f"task_{task}_text_img_{'agreed_lab_' if agreed else ''}"
    files = {split: f"{stem}{part}.tsv" for split, part in _SPLITS.items()}
    places = [place for place in (root / folder, root) if all((place / file).is_file() for file in files.values())]
    if not places:
        raise layout_error(name, root, f"{folder}/ with {', '.join(files.values())}, and a folder data_image/")
    pictures = PictureFolder.find(root, ("data_image", "CrisisMMD_v2.0/data_image"), images_dir)
    builder = CorpusBuilder(name, label_names=labels)

    def convert(row: Mapping[str, Any]) -> Fields:
        label = str(row["label"] or "").strip()
        if label not in labels:
            raise UnusableCell("unknown label", f"{row['label']!r} is not one of {', '.join(labels)}")
        image = pictures.of(str(row["image"] or "").removeprefix("data_image/"))
        return {"id": row["image_id"], "text": row["tweet_text"], "image": image, "label": label}

    columns = ("image_id", "tweet_text", "image", "label")
    for split, file in files.items():
        builder.add_table(split, places[0] / file, columns, convert, TableOptions("\t"))
    return builder.build()
