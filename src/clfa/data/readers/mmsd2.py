"""Reader for MMSD2.0 (Qin et al. 2023): MMSD's tweets and images, without cue words and with corrected labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clfa.data.assemble import SampleFields, to_splits
from clfa.data.layout import layout_error
from clfa.data.readers.knowledge import read_knowledge
from clfa.data.readers.mmsd_folders import LABELS, find_images, find_texts
from clfa.data.schema import Corpus, Dropped
from clfa.errors import DataError
from clfa.tables.encoding import clean_text
from clfa.targets.default_label import default_label

_FILES = {"train": "train.json", "validation": "valid.json", "test": "test.json"}


def read(
    data_dir: str,
    *,
    knowledge: str | Sequence[str] | None = None,
    images_dir: str | None = None,
    require_images: bool = False,
) -> Corpus:
    """MMSD2.0: MMSD's tweets and images, without cue words and with corrected labels.

    Args:
        data_dir: Folder of the data set, or its ``mmsd2/`` (``text_json_final/`` in the authors' release).
        knowledge: ``"attributes"``, ``"ocr"`` or a list of them, joined in that order; absent by default.
        images_dir: Folder with ``<id>.jpg``; by default ``dataset_image/``. Without it every image is ``None``.
        require_images: Raise an error if there is no folder of images.

    Raises:
        DataError: If the layout is different, JSON is not valid, a knowledge file is missing, or required images are
            missing.
    """
    found = find_texts(Path(data_dir), ("mmsd2", "text_json_final"), tuple(_FILES.values()))
    if found is None:
        raise layout_error("mmsd2", Path(data_dir), "mmsd2/ with train.json, valid.json and test.json")
    root, texts = found
    images = find_images(root, images_dir, require_images)
    dropped: list[Dropped] = []
    extra = read_knowledge(root, knowledge, dropped)
    rows: dict[str, list[SampleFields]] = {}
    lines: dict[str, int] = {}
    for split, name in _FILES.items():
        rows[split] = []
        records = _load(texts / name)
        lines[split] = len(records)
        for number, record in enumerate(records):
            problem = _problem(record)
            if problem:
                dropped.append(Dropped("", split, f"{name}:{number}", "bad record", problem))
                continue
            id = str(record["image_id"])
            rows[split].append(
                {
                    "id": id,
                    "text": clean_text(record["text"]),
                    "image": images.at(f"{id}.jpg"),
                    "knowledge": extra.get(id),
                    "label": int(record["label"]),
                }
            )
    facts = {"split": "published files", "lines": lines}
    return Corpus("mmsd2", to_splits(rows, LABELS), [default_label(LABELS)], None, dropped, facts)


def _load(path: Path) -> list[Any]:
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error}); download the file again") from error
    if not isinstance(records, list):
        raise DataError(f"{path}: expected a list of {{image_id, text, label}}, found {type(records).__name__}")
    return records


def _problem(record: Any) -> str:
    if not isinstance(record, dict):
        return f"expected an object, found {type(record).__name__}"
    absent = [field for field in ("image_id", "text", "label") if field not in record]
    if absent:
        return f"field {absent[0]!r} is missing"
    if not isinstance(record["text"], str) or record["label"] not in (0, 1):
        return f"expected a text and a label 0 or 1, found label {record['label']!r}"
    return ""
