"""Readers for MVSA-Single and MVSA-Multiple (Niu et al. 2016): tweets with an image and sentiment labels.

Layout: ``data/<id>.jpg``, ``data/<id>.txt``, ``labelResultAll.txt`` with one ``text,image`` column per annotator, and
optionally ``splits/fold_<k>/{train,val,test}.txt`` (Cheema et al. 2021).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from clfa.data.assemble import SampleFields, to_dataset, to_splits
from clfa.data.labels import MVSA_LABELS, merge_annotators
from clfa.data.layout import layout_error
from clfa.data.picture_folder import PictureFolder
from clfa.data.schema import Corpus, Dropped
from clfa.data.splits import fold_numbers, read_fold, stratified_split
from clfa.errors import DataError
from clfa.tables.encoding import clean_text, decode_bytes, decode_text, usual_encoding
from clfa.targets.default_label import default_label

LABEL_FILE = "labelResultAll.txt"


def read_single(data_dir: str, *, fold: int | str = "auto", split_seed: int = 0) -> Corpus:
    """MVSA-Single: one annotator, with one label for the text and one for the image.

    Labels are merged by :func:`clfa.data.labels.merge_modalities`; pairs without a usable label are kept as unlabelled.

    Args:
        data_dir: Folder with ``data/`` and ``labelResultAll.txt``.
        fold: Number of a published fold in ``splits/``; ``"auto"`` uses the first fold if there are fold files, and
            otherwise draws a seeded stratified 8:1:1 split; ``"none"`` always draws.
        split_seed: Seed of the draw.

    Raises:
        DataError: If the layout is different, the fold does not exist, or there are labels of several annotators.
    """
    return _read("mvsa-single", 1, data_dir, fold, split_seed)


def read_multiple(data_dir: str, *, fold: int | str = "auto", split_seed: int = 0) -> Corpus:
    """MVSA-Multiple: three annotators; labels are the majority by modality, then merged over modalities.

    Args:
        data_dir: Folder with ``data/`` and ``labelResultAll.txt``.
        fold: See :func:`read_single`.
        split_seed: See :func:`read_single`.

    Raises:
        DataError: If the layout is different, the fold does not exist, or there are labels of one annotator only.
    """
    return _read("mvsa-multiple", 3, data_dir, fold, split_seed)


def _read(name: str, annotators: int, data_dir: str, fold: int | str, split_seed: int) -> Corpus:
    root = Path(data_dir).resolve()
    if not (root / LABEL_FILE).is_file() or not (root / "data").is_dir():
        raise layout_error(name, Path(data_dir), f"{LABEL_FILE} and a folder data/ with <id>.jpg and <id>.txt")
    dropped: list[Dropped] = []
    labels = _read_labels(root / LABEL_FILE, name, annotators, dropped)
    lines = len(labels) + len(dropped)
    files = {path.name: path for path in (root / "data").iterdir()}
    texts, encodings = _read_texts(files, dropped)
    pictures = PictureFolder(root / "data")

    split_of, how = _assign_splits(root, labels, fold, split_seed, dropped)
    rows: dict[str, list[SampleFields]] = {"train": [], "validation": [], "test": []}
    for id, label in labels.items():
        if id not in split_of:
            dropped.append(Dropped(id, "", LABEL_FILE, "not in fold files", "labelled, but in no part of the fold"))
        elif f"{id}.txt" not in files:
            dropped.append(Dropped(id, split_of[id], f"data/{id}.txt", "missing text", "no such file"))
        elif id in texts:
            rows[split_of[id]].append(_row(pictures, id, texts[id], MVSA_LABELS.index(label)))
    unlabelled = [_row(pictures, id, texts[id], None) for id in texts if id not in labels and f"{id}.jpg" in files]
    return Corpus(
        name=name,
        splits=to_splits(rows, MVSA_LABELS),
        targets=[default_label(MVSA_LABELS)],
        unlabelled=to_dataset(unlabelled, MVSA_LABELS) if unlabelled else None,
        dropped=dropped,
        facts={"split": how, "lines": {"all": lines}, "text encodings": dict(encodings.most_common())},
    )


def _row(pictures: PictureFolder, id: str, text: str, label: int | None) -> SampleFields:
    return {"id": id, "text": text, "image": pictures.at(f"{id}.jpg"), "knowledge": None, "label": label}


def _read_labels(path: Path, name: str, annotators: int, dropped: list[Dropped]) -> dict[str, str]:
    lines = decode_bytes(path.read_bytes())[0].splitlines()
    columns = lines[0].count("\t") if lines else 0
    if columns != annotators:
        other = {1: " Use the mvsa-single reader.", 3: " Use the mvsa-multiple reader."}.get(columns, "")
        raise DataError(
            f"{path}: the header has {columns} text,image columns; {name} has {annotators} annotator(s).{other}"
        )
    labels: dict[str, str] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        source = f"{path.name}:{number}"
        id, *votes = (field.strip() for field in line.split("\t"))
        pairs = [tuple(vote.split(",")) for vote in votes]
        if len(pairs) != annotators or any(len(pair) != 2 for pair in pairs):
            dropped.append(Dropped(id, "", source, "bad label line", f"expected {annotators} text,image pair(s)"))
        elif unknown := [label for pair in pairs for label in pair if label not in MVSA_LABELS]:
            dropped.append(Dropped(id, "", source, "unknown label", f"{unknown[0]!r} is not one of {MVSA_LABELS}"))
        elif (merged := merge_annotators([(pair[0], pair[1]) for pair in pairs])) is None:
            dropped.append(Dropped(id, "", source, "contradictory labels", "; ".join(votes)))
        elif id in labels:
            dropped.append(Dropped(id, "", source, "duplicate id", "the first line with this id is kept"))
        else:
            labels[id] = merged
    return labels


def _read_texts(files: Mapping[str, Path], dropped: list[Dropped]) -> tuple[dict[str, str], Counter[str]]:
    raws = {name[:-4]: files[name].read_bytes() for name in sorted(files, key=_by_number) if name.endswith(".txt")}
    counts: Counter[str] = Counter()
    readings: dict[str, tuple[str, str]] = {}
    for id, raw in raws.items():
        try:
            readings[id] = decode_bytes(raw)
        except DataError as error:
            dropped.append(Dropped(id, "", f"data/{id}.txt", "undecodable text", str(error)))
            continue
        counts[readings[id][1]] += 1
    usual = usual_encoding(counts)
    if usual is not None:
        # Decode the texts in other encodings again, now that the usual encoding is known.
        for id, (_, encoding) in readings.items():
            if encoding not in ("ascii", usual):
                readings[id] = decode_text(raws[id], usual=usual)
    texts = {id: clean_text(text) for id, (text, _) in readings.items()}
    return texts, Counter(encoding for _, encoding in readings.values())


def _by_number(name: str) -> tuple[int, str]:
    return len(name), name


def _assign_splits(
    root: Path, labels: Mapping[str, str], fold: int | str, split_seed: int, dropped: list[Dropped]
) -> tuple[dict[str, str], str]:
    folder = root / "splits"
    if fold == "none" or (fold == "auto" and not fold_numbers(folder)):
        ids = list(labels)
        parts = stratified_split([labels[id] for id in ids], seed=split_seed)
        drawn = {ids[position]: split for split, positions in parts.items() for position in positions}
        return drawn, f"stratified 8:1:1, seed {split_seed}"
    if fold != "auto" and not str(fold).isdecimal():
        raise DataError(f"fold must be a number, 'auto' or 'none', got {fold!r}")
    number = fold_numbers(folder)[0] if fold == "auto" else int(fold)
    split_of = {}
    for split, ids in read_fold(folder, number).items():
        for id in ids:
            if id in labels:
                split_of[id] = split
            else:
                source = f"splits/fold_{number}"
                dropped.append(Dropped(id, split, source, "missing sample", f"no usable line in {LABEL_FILE}"))
    return split_of, f"published fold {number} of {len(fold_numbers(folder))}"
