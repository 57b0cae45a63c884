"""Reader for any table: CSV, TSV, JSON, Parquet, Excel, a data frame, a ``datasets.Dataset`` or a list of mappings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from datasets import Dataset

from clfa.data.columns import ColumnMap, to_corpus
from clfa.data.frame_images import storable_images
from clfa.data.layout import layout_error
from clfa.data.read_part import read_part
from clfa.data.schema import SPLITS, Corpus, Dropped
from clfa.data.splits import RATIOS, split_name
from clfa.data.table_part import TablePart
from clfa.errors import DataError
from clfa.tables.collect import CollectedTable, collect
from clfa.tables.formats import is_table, known_suffixes, table_stem
from clfa.tables.memory import MemoryTable, frame_of, is_rows
from clfa.tables.paths import is_address
from clfa.tables.row import TableOptions
from clfa.targets.spec import parse_specs


def read(
    data_dir: Any,
    *,
    text: str | None = None,
    image: str | None = None,
    label: str | None = None,
    id: str | None = None,
    knowledge: str | None = None,
    split: str | None = None,
    image_root: str | None = None,
    separator: str | None = None,
    sheet: str | None = None,
    label_names: list[str] | None = None,
    ratios: tuple[float, float, float] = RATIOS,
    split_seed: int = 0,
    group_by: str | None = None,
    as_split: str | None = None,
    name: str | None = None,
    targets: Mapping[str, Any] | None = None,
) -> Corpus:
    """A CSV, TSV, JSON, Parquet or Excel file, a folder of them, a data frame or a datasets.Dataset.

    Columns are found by their usual names (``text``, ``image``, ``label``, ``id``, ``split``, ...) or given by options.
    Images are paths (relative to the table's folder), addresses, bytes or ``{"bytes", "path"}``, or a list of these for
    several images. A row without a label
    becomes an unlabelled pair. The splits are those of the ``split`` column (also ``unlabelled``); without this column
    they are drawn, stratified by label. The id of a row without an id is its number.

    Args:
        data_dir: A file, an fsspec address of one, a folder with files named train, validation (val, dev) and test, a
            mapping of splits to any of these, a pandas ``DataFrame``, a ``datasets.Dataset`` or a list of mappings.
        text: Column of the text.
        image: Column of the image.
        label: Column of the label: names or numbers.
        id: Column of the id.
        knowledge: Column of extra text about the image.
        split: Column with the split's name.
        image_root: Base folder or address of relative image paths.
        separator: Field separator of a CSV or TSV file; detected by default.
        sheet: Sheet of an Excel file; by default the first.
        label_names: Class names in index order; by default those declared by the file, else the sorted values.
        ratios: Shares of train, validation and test for drawn splits.
        split_seed: Seed of the draw.
        group_by: Column whose equal values stay in one drawn split, for instance the author; by default, posts with the
            same text or the same image do.
        as_split: Put all rows into this split, for instance ``"test"``.
        name: Name of the corpus; by default the file's name.
        targets: Targets instead of the default label: a mapping of target names to the fields of
            :class:`clfa.targets.spec.TargetSpec`.

    Raises:
        DataError: If a file is missing or broken, a column is absent (the message lists the columns), or the labels
            cannot be classes.
    """
    if as_split is not None and as_split not in SPLITS:
        raise DataError(f"as_split must be one of {', '.join(SPLITS)}, got {as_split!r}")
    dropped: list[Dropped] = []
    parts = [
        replace(part, split=as_split or part.split, image_root=part.image_root if image_root is None else image_root)
        for part in _parts(data_dir, None, TableOptions(separator, sheet=sheet), dropped, image)
    ]
    names = {"text": text, "image": image, "label": label, "id": id, "knowledge": knowledge, "split": split}
    corpus = to_corpus(
        name or _name(data_dir),
        parts,
        ColumnMap(names, image_root),
        label_names=list(label_names) if label_names is not None else None,
        ratios=ratios,
        split_seed=split_seed,
        group_by=group_by,
        complete=as_split is None,
        targets=parse_specs(targets or {}),
    )
    corpus.dropped[:0] = dropped
    return corpus


def _parts(
    source: Any, split: str | None, options: TableOptions, dropped: list[Dropped], image: str | None
) -> list[TablePart]:
    if isinstance(source, Mapping):
        parts = []
        for key, value in source.items():
            if (known := split_name(str(key))) is None:
                raise DataError(f"{key!r} is not the name of a split; use train, validation and test")
            parts += _parts(value, known, options, dropped, image)
        return parts
    if isinstance(source, Dataset):
        # A format such as "torch" would change the types of the cells.
        return [TablePart(split, "<dataset>", source.with_format(None))]
    if is_rows(source):
        source = frame_of(source)
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        if not is_address(path) and os.path.isdir(path):
            return [read_part(str(file), known, options, dropped) for file, known in _files(Path(path))]
        if not is_address(path) and not os.path.exists(path):
            raise layout_error("table", Path(path), f"a file ending in one of {', '.join(known_suffixes())}")
        return [read_part(path, split, options, dropped)]
    collected = _from_frame(source, image)
    return [TablePart(split, "<data frame>", collected.data, mixed=collected.mixed)]


def _from_frame(frame: Any, image: str | None) -> CollectedTable:
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        kinds = "a path, a mapping of splits, a pandas DataFrame or a datasets.Dataset, or a list of dictionaries"
        raise DataError(f"a table must be {kinds}, got {type(frame).__name__}")
    # Cells are read as in prediction.
    return collect(MemoryTable(storable_images(frame, image)))


def _files(folder: Path) -> list[tuple[Path, str | None]]:
    tables = sorted(file for file in folder.iterdir() if is_table(file.name) and file.is_file())
    by_split: dict[str, list[Path]] = {}
    for file in tables:
        # train.csv, train-00000-of-00002.parquet
        stem = table_stem(file.name)
        known = split_name(stem) or split_name(stem.split("-")[0])
        if known is not None:
            by_split.setdefault(known, []).append(file)
    for known, files in by_split.items():
        if len(files) > 1 and not all("-of-" in file.name for file in files):
            raise DataError(f"{folder}: {' and '.join(file.name for file in files)} are both {known}; keep one of them")
    if by_split:
        return [(file, known) for known in SPLITS for file in by_split.get(known, [])]
    if len(tables) == 1:
        return [(tables[0], None)]
    expected = "a table file, or files named train, validation and test"
    raise layout_error("table", folder, f"{expected} ({', '.join(known_suffixes())})")


def _name(source: Any) -> str:
    return PurePosixPath(os.fspath(source)).stem if isinstance(source, (str, os.PathLike)) else "table"
