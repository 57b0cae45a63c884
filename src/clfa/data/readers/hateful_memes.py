"""Reader for the Hateful Memes Challenge (Kiela et al. 2020, arXiv:2005.04790).

Layout: ``train.jsonl``, ``dev_seen.jsonl``, ``test_seen.jsonl`` and others with ``id``, ``img``, ``label`` and
``text``, and ``img/``. In the first release the files of the seen splits are named ``dev.jsonl`` and ``test.jsonl``.
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

LABELS = ["not hateful", "hateful"]


def read(
    data_dir: str, *, validation: str = "dev_seen", test: str = "test_seen", images_dir: str | None = None
) -> Corpus:
    """Hateful Memes: memes with their text, hateful or not.

    Args:
        data_dir: Folder with ``train.jsonl`` and ``img/``.
        validation: File of the validation split, without its suffix: ``dev_seen`` or ``dev_unseen``.
        test: File of the test split, without its suffix: ``test_seen`` or ``test_unseen``.
        images_dir: Folder of the pictures; by default ``img/``. Without it every image is ``None``.

    Raises:
        DataError: If the layout is different.
    """
    root = Path(data_dir)
    files = {"train": root / "train.jsonl"}
    for split, name in (("validation", validation), ("test", test)):
        first_release = root / f"{name.removesuffix('_seen')}.jsonl"
        files[split] = first_release if first_release.is_file() else root / f"{name}.jsonl"
    if not all(file.is_file() for file in files.values()):
        raise layout_error("hateful-memes", root, f"train.jsonl, {validation}.jsonl, {test}.jsonl and a folder img/")
    pictures = PictureFolder.find(root, ("img",), images_dir)
    builder = CorpusBuilder("hateful-memes", label_names=LABELS)

    def convert(row: Mapping[str, Any]) -> Fields:
        if row["label"] not in (0, 1):
            raise UnusableCell("unknown label", f"label must be 0 or 1, got {row['label']!r}")
        name = str(row["img"] or "").removeprefix("img/")
        label = LABELS[int(row["label"])]
        # Some copies store the id as a number, without its leading zeros.
        return {"id": Path(name).stem, "text": row["text"], "image": pictures.of(name), "label": label}

    for split, file in files.items():
        builder.add_table(split, file, ("img", "label", "text"), convert)
    return builder.build()
