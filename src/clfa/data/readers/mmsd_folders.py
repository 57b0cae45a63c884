"""Locations of texts and images of MMSD and MMSD2.0."""

from __future__ import annotations

from pathlib import Path

from clfa.data.picture_folder import PictureFolder
from clfa.errors import DataError

LABELS = ["not_sarcastic", "sarcastic"]
IMAGE_FOLDER = "dataset_image"


def find_texts(data_dir: Path, folders: tuple[str, ...], files: tuple[str, ...]) -> tuple[Path, Path] | None:
    """Return the data set root and the folder of the text files, or ``None``; ``data_dir`` is one of the two."""
    for folder in (".", *folders):
        texts = data_dir / folder
        if all((texts / name).is_file() for name in files):
            root = data_dir if folder != "." or data_dir.name not in folders else data_dir.parent
            return root.resolve(), texts.resolve()
    return None


def find_images(root: Path, images_dir: str | None, require: bool) -> PictureFolder:
    """Return the folder of the images, without pictures if it does not exist and is not required.

    Raises:
        DataError: If ``images_dir`` does not exist, or images are required and there is no folder of images.
    """
    folder = Path(images_dir).expanduser() if images_dir is not None else root / IMAGE_FOLDER
    if folder.is_dir():
        return PictureFolder(folder)
    if images_dir is not None or require:
        raise DataError(f"{folder}: no such folder of images; MMSD has its images <id>.jpg in {IMAGE_FOLDER}/")
    return PictureFolder(None)
