"""Reader for MultiBully (Maity et al. 2022): code-mixed memes (Hindi and English), bullying or not.

Layout: an Excel file ``Cyberbully_corrected_emotion_sentiment.xlsx`` (or a CSV export of it) with ``Img-Name``,
``Img-Text`` and the labels ``Img-Text-Label``, ``Img-Label`` and ``Text-Label``, and ``bully_data/``. There is no
published split. The other labels of the file are read with the reader ``table``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clfa.data.corpus_builder import CorpusBuilder, Fields
from clfa.data.layout import layout_error
from clfa.data.picture_folder import PictureFolder
from clfa.data.schema import Corpus
from clfa.data.splits import RATIOS
from clfa.errors import DataError
from clfa.tables.formats import is_table
from clfa.tables.row import TableOptions
from clfa.targets.cells import UnusableCell

LABELS = ["nonbully", "bully"]

_STEM = "Cyberbully_corrected_emotion_sentiment"
_COLUMNS = {"both": "Img-Text-Label", "image": "Img-Label", "text": "Text-Label"}


def read(
    data_dir: str,
    *,
    judged: str = "both",
    sheet: str | None = None,
    ratios: tuple[float, float, float] = RATIOS,
    split_seed: int = 0,
    images_dir: str | None = None,
) -> Corpus:
    """MultiBully: code-mixed memes, bullying or not.

    Args:
        data_dir: Folder with the Excel or CSV file and ``bully_data/``.
        judged: What the label was given for: ``"both"``, ``"image"`` or ``"text"``.
        sheet: Sheet of the Excel file; by default the first.
        ratios: Shares of train, validation and test.
        split_seed: Seed of the draw.
        images_dir: Folder of the pictures; by default ``bully_data/``. Without it every image is ``None``.

    Raises:
        DataError: If the layout is different, or ``judged`` is unknown.
    """
    if judged not in _COLUMNS:
        raise DataError(f"judged of multibully must be one of {', '.join(_COLUMNS)}, got {judged!r}")
    root = Path(data_dir)
    files = sorted(root.glob(f"{_STEM}*")) if root.is_dir() else []
    file = next((file for file in files if file.is_file() and is_table(file.name)), None)
    if file is None:
        raise layout_error("multibully", root, f"{_STEM}.xlsx (or .csv) and a folder bully_data/")
    column = _COLUMNS[judged]
    pictures = PictureFolder.find(root, ("bully_data",), images_dir)
    builder = CorpusBuilder("multibully", label_names=LABELS)

    def convert(row: Mapping[str, Any]) -> Fields:
        label = str(row[column] or "").strip().lower()
        if label not in LABELS:
            raise UnusableCell("unknown label", f"{column} must be Bully or Nonbully, got {row[column]!r}")
        name = str(row["Img-Name"] or "").strip()
        return {"id": Path(name).stem, "text": row["Img-Text"], "image": pictures.of(name), "label": label}

    builder.add_table(None, file, ("Img-Name", "Img-Text", column), convert, TableOptions(sheet=sheet))
    return builder.build(ratios=ratios, split_seed=split_seed)
