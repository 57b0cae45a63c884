"""Reader for MAMI (Fersini et al. 2022, SemEval-2022 task 5): memes, misogynous or not, and the kinds of misogyny.

Layout: ``training.csv`` and ``Test.csv``, fields between tabs, with ``file_name`` and ``Text Transcription``; the
training file also has ``misogynous``, ``shaming``, ``stereotype``, ``objectification`` and ``violence``.
``test_labels.txt`` has these five fields for the test memes, between tabs, after the file name and without a header.
Each CSV file is beside its pictures.
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
from clfa.tables.encoding import decode_bytes
from clfa.tables.row import TableOptions
from clfa.targets.cells import UnusableCell
from clfa.targets.spec import parse_specs

LABELS = ["not misogynous", "misogynous"]
KINDS = ["shaming", "stereotype", "objectification", "violence"]

_TEXT = "Text Transcription"


def read(
    data_dir: str, *, kinds: bool = True, ratios: tuple[float, float, float] = RATIOS, split_seed: int = 0
) -> Corpus:
    """MAMI: memes, misogynous or not, and the kinds of misogyny.

    The validation split is drawn from the training memes. Without ``test_labels.txt`` the test memes have no labels:
    they are not read, and all three splits are drawn.

    Args:
        data_dir: Folder with ``training/training.csv``, ``test/Test.csv`` and ``test_labels.txt``; folders and files in
            any letter case, and files also without these folders.
        kinds: Whether there is a multi-label target ``kinds`` beside the target ``misogynous`` (tasks B and A).
        ratios: Shares of train, validation and test for drawn splits.
        split_seed: Seed of the draw.

    Raises:
        DataError: If the layout is different.
    """
    root = Path(data_dir)
    training = _find(root, "training.csv", "training")
    if training is None:
        raise layout_error("mami", root, "training/training.csv, test/Test.csv and test_labels.txt")
    targets = {"misogynous": {"label_names": LABELS}}
    if kinds:
        targets["kinds"] = {"problem_type": "multi_label_classification", "label_names": KINDS}  # type: ignore[dict-item]
    builder = CorpusBuilder("mami", targets=parse_specs(targets) if kinds else None, label_names=LABELS)

    def fields(row: Mapping[str, Any], labels: Mapping[str, Any], pictures: PictureFolder) -> Fields:
        values = {name: str(labels[name]).strip() for name in ("misogynous", *KINDS)}
        unknown = [f"{name} {value!r}" for name, value in values.items() if value not in ("0", "1")]
        if unknown:
            raise UnusableCell("unknown label", f"{unknown[0]} is neither 0 nor 1")
        label = LABELS[int(values["misogynous"])]
        found = [name for name in KINDS if values[name] == "1"]
        name = str(row["file_name"] or "")
        kept = {"id": Path(name).stem, "text": row[_TEXT], "image": pictures.of(name)}
        return kept | ({"misogynous": label, "kinds": found} if kinds else {"label": label})

    tabs = TableOptions("\t")
    beside = PictureFolder(training.parent)
    columns = ("file_name", "misogynous", *KINDS, _TEXT)
    builder.add_table("train", training, columns, lambda row: fields(row, row, beside), tabs)
    test, answers = _find(root, "Test.csv", "test"), _find(root, "test_labels.txt", "test")
    if test is not None and answers is not None:
        labels, test_pictures = _read_labels(answers), PictureFolder(test.parent)

        def convert(row: Mapping[str, Any]) -> Fields:
            if row["file_name"] not in labels:
                raise UnusableCell("missing label", f"{row['file_name']!r} has no line in {answers.name}")
            return fields(row, labels[row["file_name"]], test_pictures)

        builder.add_table("test", test, ("file_name", _TEXT), convert, tabs)
    return builder.build(ratios=ratios, split_seed=split_seed, complete=True)


def _find(root: Path, name: str, folder: str) -> Path | None:
    if not root.is_dir():
        return None
    folders = [root, *sorted(entry for entry in root.iterdir() if entry.is_dir() and entry.name.lower() == folder)]
    files = (entry for place in folders for entry in sorted(place.iterdir()) if entry.is_file())
    return next((file for file in files if file.name.lower() == name.lower()), None)


def _read_labels(path: Path) -> dict[str, dict[str, str]]:
    lines = (line.split("\t") for line in decode_bytes(path.read_bytes())[0].splitlines())
    names = ("misogynous", *KINDS)
    return {line[0].strip(): dict(zip(names, line[1:], strict=True)) for line in lines if len(line) == len(names) + 1}
