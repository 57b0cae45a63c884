"""Where MMSD and MMSD2.0 keep their parts."""

from __future__ import annotations

from pathlib import Path

from clfa.data.assemble import EncodedImage, image_at
from clfa.errors import DataError

LABELS = ["not_sarcastic", "sarcastic"]
IMAGE_FOLDER = "dataset_image"


def find_texts(data_dir: Path, folders: tuple[str, ...], files: tuple[str, ...]) -> tuple[Path, Path] | None:
    """Data set root and folder of the text files, given either of the two, or ``None``."""
    for folder in (".", *folders):
        texts = data_dir / folder
        if all((texts / name).is_file() for name in files):
            root = data_dir if folder != "." or data_dir.name not in folders else data_dir.parent
            return root.resolve(), texts.resolve()
    return None


def find_images(root: Path, images_dir: str | None, require: bool) -> Path | None:
    """Folder of the pictures, or ``None`` where there is none and none is required.

    Raises:
        DataError: ``images_dir`` does not exist, or images are required and there is no folder of them.
    """
    folder = Path(images_dir).expanduser() if images_dir is not None else root / IMAGE_FOLDER
    if folder.is_dir():
        return folder.resolve()
    if images_dir is not None or require:
        raise DataError(f"{folder}: no such folder of images; MMSD keeps <id>.jpg in {IMAGE_FOLDER}/")
    return None


def image_of(folder: Path | None, id: str) -> EncodedImage | None:
    """The picture of sample ``id``."""
    return image_at(str(folder / f"{id}.jpg")) if folder is not None else None
