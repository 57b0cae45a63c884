"""Reader for folders of images and texts, with one folder per class or a metadata file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from clfa.data.assemble import image_at
from clfa.data.columns import ColumnMap, to_corpus
from clfa.data.layout import IMAGE_SUFFIXES, layout_error
from clfa.data.read_part import read_part
from clfa.data.schema import Corpus, Dropped
from clfa.data.splits import RATIOS, split_name
from clfa.data.table_part import TablePart
from clfa.errors import DataError
from clfa.tables.access import current_reading
from clfa.tables.collect import from_columns
from clfa.tables.encoding import decode_text
from clfa.tables.row import TableOptions

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def read(
    data_dir: str,
    *,
    label_names: list[str] | None = None,
    ratios: tuple[float, float, float] = RATIOS,
    split_seed: int = 0,
    group_by: str | None = None,
    name: str | None = None,
) -> Corpus:
    """Folders of images and texts, with one folder per class or a metadata file.

    The layout is either ``<class>/<name>.jpg`` with ``<class>/<name>.txt``, or images with a ``metadata.csv`` (or
    ``.jsonl``, ``.parquet``) with columns ``file_name``, ``text`` and ``label``. Both may be in folders ``train/``,
    ``validation/`` and ``test/``; otherwise the splits are drawn, stratified by label. Texts may be in any encoding.

    Args:
        data_dir: The folder.
        label_names: Class names in index order; by default the sorted class folders or labels.
        ratios: Shares of train, validation and test for drawn splits.
        split_seed: Seed of the draw.
        group_by: Column whose equal values stay in one drawn split, for instance the author; by default, posts with the
            same text or the same image do.
        name: Name of the corpus; by default the folder's name.

    Raises:
        DataError: If the folder has another layout.
    """
    root = Path(data_dir)
    expected = "class folders with <name>.jpg and <name>.txt, or images with metadata.csv (file_name, text, label)"
    if not root.is_dir():
        raise layout_error("image-folder", root, expected)
    dropped: list[Dropped] = []
    folders = {entry: split_name(entry.name) for entry in sorted(root.iterdir()) if entry.is_dir()}
    folders = {entry: split for entry, split in folders.items() if split is not None}
    parts = [
        part
        for folder, split in (folders or {root: None}).items()
        if (part := _part(root, folder, split, dropped)) is not None
    ]
    if not parts:
        raise layout_error("image-folder", root, expected)
    corpus = to_corpus(
        name or root.resolve().name,
        parts,
        ColumnMap({}),
        label_names=list(label_names) if label_names is not None else None,
        ratios=ratios,
        split_seed=split_seed,
        group_by=group_by,
    )
    corpus.dropped[:0] = dropped
    return corpus


def _part(root: Path, folder: Path, split: str | None, dropped: list[Dropped]) -> TablePart | None:
    metadata = next((folder / name for name in METADATA if (folder / name).is_file()), None)
    if metadata is not None:
        return replace(read_part(str(metadata), split, TableOptions(), dropped), image_root=str(folder.resolve()))
    samples = list(_samples(root, folder, split or "", dropped, _needs_texts(folder)))
    if not samples:
        return None
    ids, texts, images, labels = (list(column) for column in zip(*samples, strict=True))
    data = from_columns({"id": ids, "text": texts, "image": [image_at(str(path)) for path in images], "label": labels})
    return TablePart(split, str(folder), data, image_root=str(folder.resolve()))


def _needs_texts(folder: Path) -> bool:
    """Return whether an image needs a text: if the model reads texts or, without a model, if the folder has any."""
    required = current_reading().required
    return next(folder.glob("*/*.txt"), None) is not None if required is None else "text" in required


def _samples(
    root: Path, folder: Path, split: str, dropped: list[Dropped], needs_texts: bool
) -> Iterator[tuple[str, str, Path, str]]:
    for class_folder in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        for image in sorted(class_folder.iterdir()):
            if image.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            id = image.relative_to(root).with_suffix("").as_posix()
            text = image.with_suffix(".txt")
            source = text.relative_to(root).as_posix()
            if not text.is_file() and not needs_texts:
                yield id, "", image.absolute(), class_folder.name
                continue
            if not text.is_file():
                dropped.append(Dropped(id, split, source, "missing text", "no such file"))
                continue
            try:
                yield id, decode_text(text.read_bytes())[0], image.absolute(), class_folder.name
            except DataError as error:
                dropped.append(Dropped(id, split, source, "undecodable text", str(error)))
