"""Conversion of tables with any column names and types to the schema."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from datasets import Dataset, DatasetDict, Features, Image, List, Value, concatenate_datasets

from clfa.data.groups import column_groups, duplicate_groups
from clfa.data.label_forms import label_form_warnings
from clfa.data.named_columns import require_group_column
from clfa.data.schema import SPLITS, Corpus, Dropped, has_lists, schema_features
from clfa.data.splits import RATIOS, split_name, stratified_split
from clfa.data.table_part import TablePart
from clfa.tables.access import current_reading
from clfa.tables.cells import as_text, read_id, read_image, read_text
from clfa.tables.columns import Columns, find_columns
from clfa.tables.gate import PictureGate
from clfa.tables.paths import absolute_root
from clfa.tables.pictures import as_cell, no_picture, pictures_of
from clfa.targets.cells import UnusableCell
from clfa.targets.columns import TargetColumns
from clfa.targets.default_label import is_default_label
from clfa.targets.fields import LABEL
from clfa.targets.spec import TargetSpec, parse_specs
from clfa.targets.target import Target, strata

logger = logging.getLogger(__name__)

UNLABELLED = "unlabelled"


@dataclass
class ColumnMap:
    """Columns given by the user; a field with ``None`` is found by its usual column names.

    Args:
        names: Column by field (id, text, image, knowledge, label, split).
        image_root: Base folder or address of relative image paths.
        literal: Whether texts such as ``nan`` are texts and not missing cells, as in published data sets.
    """

    names: Mapping[str, str | None] = field(default_factory=dict)
    image_root: str | None = None
    literal: bool = False

    def find(self, parts: Sequence[TablePart]) -> list[Columns]:
        """Return the column of each field in each part.

        An id column that was found by its name only is not used in any part if a row has the id of another sample.

        Raises:
            DataError: If a given column is absent, or there is no column of a field that the model reads; without a
                model, if there is neither a text nor an image column.
        """
        root = None if self.image_root is None else absolute_root(self.image_root)
        found = [replace(_found(part, self.names), image_root=root, separator=part.separator) for part in parts]
        if self.names.get("id") is not None:
            return found
        for part, columns in zip(parts, found, strict=True):
            shared = _shared_ids(part, columns)
            if shared:
                logger.warning(
                    "%s: column %r is not used as the id: %d of %d rows have the id of another sample, for instance "
                    "%r. The ids are row numbers from 1 instead. If the column is given as id, it is used, and such "
                    "rows are left out.",
                    part.source,
                    columns.id,
                    len(shared),
                    len(part.data),
                    shared[0],
                )
                return [replace(other, id=None, unused=(other.id,) if other.id else ()) for other in found]
        return found


def _found(part: TablePart, given: Mapping[str, str | None]) -> Columns:
    required = current_reading().required or ()
    found = find_columns(part.data.column_names, part.source, given=given, required=required)
    if found.text is None and found.image is None:
        return find_columns(part.data.column_names, part.source, given=given, required=("text",))
    return found


def _shared_ids(part: TablePart, columns: Columns) -> list[str]:
    """Return the id of each row that has the same id as an earlier row of its split, but another text or image."""
    if columns.id is None:
        return []
    ids = part.data[columns.id][:]
    texts = [None] * len(ids) if columns.text is None else part.data[columns.text][:]
    numbers = range(1, len(ids) + 1) if part.numbers is None else part.numbers
    ids = [read_id(cell, number) for cell, number in zip(ids, numbers, strict=True)]
    if len(set(ids)) == len(ids):
        return []
    images = [None] * len(ids) if columns.image is None else _image_cells(part, columns.image)
    splits = part.data[columns.split][:] if columns.split is not None else [None] * len(ids)
    seen: dict[tuple[Any, str], Any] = {}
    shared = []
    for split, id, *content in zip(splits, ids, texts, images, strict=True):
        if seen.setdefault((split, id), content) != content:
            shared.append(id)
    return shared


def to_corpus(
    name: str,
    parts: list[TablePart],
    columns: ColumnMap,
    *,
    label_names: list[str] | None = None,
    ratios: tuple[float, float, float] = RATIOS,
    split_seed: int = 0,
    complete: bool = True,
    targets: Mapping[str, TargetSpec] | None = None,
    group_by: str | None = None,
) -> Corpus:
    """Convert ``parts`` to the schema, with the rules of :func:`clfa.data.readers.table.read`.

    Args:
        name: Name of the corpus.
        parts: Tables of the corpus.
        columns: Columns given by the user.
        label_names: Class names in index order; by default the classes in the data.
        ratios: Shares of train, validation and test for drawn splits.
        split_seed: Seed of the draw.
        complete: Whether to draw missing splits: all three from train if there is only train, or validation from train
            if only validation is missing.
        targets: Target specifications by name; by default the default label.
        group_by: Column whose equal values stay in one drawn split; by default, equal posts do
            (:func:`clfa.data.groups.duplicate_groups`).

    Raises:
        DataError: If a column is absent, or the labels cannot be classes.
    """
    found = columns.find(parts)
    for part in parts:
        if group_by is not None:
            require_group_column(group_by, part.data.column_names, part.source)
    specs = targets or parse_specs({LABEL: {"label_names": label_names}})
    tables = [(part.source, part.data) for part in parts]
    mixed = [part.mixed for part in parts]
    labels = TargetColumns(specs, tables, [names.label for names in found], default=not targets, mixed=mixed)

    dropped: list[Dropped] = []
    taken: dict[str, list[Dataset]] = {split: [] for split in (*SPLITS, UNLABELLED)}
    undecided: list[Dataset] = []
    groups: dict[str | None, list[Any]] = {}
    for number, (part, names) in enumerate(zip(parts, found, strict=True)):
        cells = labels.rows(number, part.data)
        for split, rows in _sort_rows(part, names, cells, labels.of, dropped, columns.literal).items():
            data = _to_schema(part, names, rows, labels.targets)
            (taken[split] if split else undecided).append(data)
            if group_by is not None:
                groups.setdefault(split, []).extend(part.data.select(rows.positions)[group_by][:])
    if any(has_lists(data) for some in (undecided, *taken.values()) for data in some):
        undecided = [with_lists(data) for data in undecided]
        taken = {split: [with_lists(data) for data in some] for split, some in taken.items()}
    how = _deal(taken, undecided, ratios, split_seed, complete, labels.targets, groups)
    splits = DatasetDict({split: _concatenate(taken[split]) for split in SPLITS if any(map(len, taken[split]))})
    unlabelled = _concatenate(taken[UNLABELLED]) if any(map(len, taken[UNLABELLED])) else None
    used = found[0] if not targets else replace(found[0], label=None, targets=labels.columns)
    facts: dict[str, Any] = {"split": how, "lines": _lines(parts), "columns": used.to_dict()}
    if forms := label_form_warnings(parts, labels):
        facts["label_forms"] = forms
    return Corpus(name, splits, labels.targets, unlabelled, dropped, facts)


def to_unlabelled(parts: Sequence[TablePart], columns: ColumnMap, targets: list[Target]) -> Dataset:
    """Convert tables of posts to the schema, without labels; a label column is not read.

    Args:
        parts: The tables.
        columns: Columns given by the user.
        targets: Targets of the corpus, for the schema.

    Returns:
        All rows; their ids begin with the table's name, so that those of several tables differ.

    Raises:
        DataError: If a column is absent.
    """
    converted = []
    for part, names in zip(parts, columns.find(parts), strict=True):
        size = len(part.data)
        numbers = range(1, size + 1) if part.numbers is None else part.numbers
        cells = part.data[names.id][:] if names.id is not None else [None] * size
        texts = part.data[names.text][:] if names.text is not None else [None] * size
        rows = _Rows(
            list(range(size)),
            [f"{part.source}:{read_id(cell, number)}" for cell, number in zip(cells, numbers, strict=True)],
            [read_text(text) or "" for text in texts],
            [None] * size,
        )
        converted.append(_to_schema(part, names, rows, targets))
    if any(map(has_lists, converted)):
        converted = list(map(with_lists, converted))
    return _concatenate(converted)


def _deal(
    taken: dict[str, list[Dataset]],
    undecided: list[Dataset],
    ratios: tuple[float, float, float],
    seed: int,
    complete: bool,
    targets: list[Target],
    groups: Mapping[str | None, list[Any]],
) -> str:
    """Distribute the samples without a split in ``taken``, stratified by label; return a description of the split.

    Args:
        groups: Values of the column that defines groups, by split of the samples; empty for groups of equal posts.
    """
    drawn: str | None = None if undecided else "train"
    present = {split for split in SPLITS if any(map(len, taken[split]))}
    by = "" if is_default_label(targets) else f" by {targets[0].name}"
    shares, how = ratios, f"stratified{by} {':'.join(f'{ratio:g}' for ratio in ratios)}, seed {seed}"
    if not undecided:
        if complete and present == {"train"}:
            undecided, taken["train"] = taken["train"], []
        elif complete and present == {"train", "test"} and ratios[1] > 0:
            undecided, taken["train"] = taken["train"], []
            share = ratios[1] / (ratios[0] + ratios[1])
            shares, how = (
                (1 - share, share, 0.0),
                f"as given, validation a stratified {share:.1%} of train{by and ','}{by}, seed {seed}",
            )
        else:
            return "as given"
    pool = _concatenate(undecided)
    together = column_groups(groups[drawn]) if groups else duplicate_groups(pool)
    for split, positions in stratified_split(strata(pool, targets), ratios=shares, seed=seed, groups=together).items():
        taken[split].append(pool.select(positions))
    sizes = [size for size in Counter(together).values() if size > 1]
    return f"{how}, {sum(sizes)} samples in {len(sizes)} groups kept together" if sizes else how


def _lines(parts: list[TablePart]) -> dict[str, int]:
    lines: dict[str, int] = {}
    for part in parts:
        key = part.split or "all"
        lines[key] = lines.get(key, 0) + len(part.data)
    return lines


@dataclass
class _Rows:
    positions: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)


def _sort_rows(
    part: TablePart,
    names: Columns,
    label_cells: list[Any],
    read_label: Callable[[Any], Any],
    dropped: list[Dropped],
    literal: bool,
) -> dict[str | None, _Rows]:
    """Return the usable rows by split (``None``: still to be drawn); add the others to ``dropped``."""
    size = len(part.data)

    def column(name: str | None) -> list[Any]:
        return list(part.data[name][:]) if name is not None else [None] * size

    sorted_rows: dict[str | None, _Rows] = {}
    numbers = range(1, size + 1) if part.numbers is None else part.numbers
    cells = zip(numbers, column(names.id), column(names.text), label_cells, column(names.split), strict=True)
    for position, (number, raw_id, text, label, split_cell) in enumerate(cells):
        id = read_id(raw_id, number)
        source = f"{part.source}:row {number}"
        try:
            vector = read_label(label)
        except UnusableCell as problem:
            dropped.append(Dropped(id, part.split or "", source, problem.reason, problem.detail))
            continue
        split = part.split
        if split is None and names.split is not None:
            cell = as_text(split_cell).strip()
            split = UNLABELLED if vector is None or cell.lower() == UNLABELLED else split_name(cell)
            if split is None:
                dropped.append(Dropped(id, "", source, "unknown split", f"{cell!r} is not the name of a split"))
                continue
        split = UNLABELLED if vector is None else split
        rows = sorted_rows.setdefault(split, _Rows())
        rows.positions.append(position)
        rows.ids.append(id)
        rows.texts.append(read_text(text, literal=literal) or "")
        rows.labels.append(None if split == UNLABELLED else vector)
    return sorted_rows


def _to_schema(part: TablePart, names: Columns, rows: _Rows, targets: list[Target]) -> Dataset:
    kept = part.data.select(rows.positions)
    images = _image_column(kept, names.image, part, rows.positions)
    features = schema_features(targets, several_images=has_lists(images))
    values: dict[str, list[Any]] = {"id": rows.ids, "text": rows.texts, "targets": rows.labels}
    fresh = Dataset.from_dict(values, features=Features({column: features[column] for column in values}))
    knowledge = _knowledge_column(kept, names.knowledge)
    whole = concatenate_datasets([fresh, images, knowledge], axis=1).select_columns(list(features))
    return whole.cast(features) if whole.features != features else whole


def _image_cells(part: TablePart, column: str) -> Sequence[Any]:
    """Return the cells of a column of images, encoded; those of mixed types (a path, a list, bytes) as they are."""
    cells: Sequence[Any] = part.mixed[column] if column in part.mixed else part.data[column][:]
    return cells


def _image_column(kept: Dataset, column: str | None, part: TablePart, positions: Sequence[int]) -> Dataset:
    feature = Image(decode=False)
    features = Features({"image": feature})
    if column is None:
        return Dataset.from_dict({"image": [None] * len(kept)}, features=features)
    if column in part.mixed:
        cells = [part.mixed[column][position] for position in positions]
    else:
        only = kept.select_columns([column])
        if column != "image":
            only = only.rename_column(column, "image")
        kind = only.features["image"]
        if (isinstance(kind, Image) or kind == List(feature)) and not _names_files(only):
            return only
        cells = only["image"][:]
    gate = None if part.gated else PictureGate.of_reader(part.image_root)
    values = [_encoded(cell, gate) for cell in cells]
    if any(isinstance(value, list) for value in values):
        values = [pictures_of(value) or None for value in values]
        features = Features({"image": List(feature)})
    return Dataset.from_dict({"image": values}, features=features)


def with_lists(data: Dataset) -> Dataset:
    """Return a data set of the schema whose image cells are lists of images."""
    if has_lists(data):
        return data
    features = Features({**data.features, "image": List(data.features["image"])})
    images = [pictures_of(image) or None for image in data["image"][:]]
    column = Dataset.from_dict({"image": images}, features=Features({"image": features["image"]}))
    return concatenate_datasets([data.remove_columns("image"), column], axis=1).select_columns(list(features))


def _names_files(images: Dataset) -> bool:
    """Return whether any image is only a path. Reads Arrow's validity bitmaps, not the encoded bytes."""
    several = has_lists(images)
    for batch in images.with_format("arrow").iter(batch_size=1000):
        column = batch.column("image").combine_chunks()
        present = (column.flatten() if several else column).drop_null()
        if present.field("bytes").null_count:
            return True
    return False


def _encoded(cell: Any, gate: PictureGate | None) -> Any:
    image = as_cell(pictures_of(cell)) if gate is None else read_image(cell, gate)
    return [_encoded_picture(entry) for entry in image] if isinstance(image, list) else _encoded_picture(image)


def _encoded_picture(image: Any) -> dict[str, Any] | None:
    if isinstance(image, Mapping):
        return {"bytes": image.get("bytes"), "path": image.get("path")}
    if isinstance(image, bytes):
        return {"bytes": image, "path": None}
    if image is None or isinstance(image, str):
        return None if image is None else {"bytes": None, "path": image}
    return no_picture(image)


def _knowledge_column(kept: Dataset, column: str | None) -> Dataset:
    if column is None:
        values: list[str | None] = [None] * len(kept)
    else:
        values = [read_text(cell) for cell in kept[column][:]]
    return Dataset.from_dict({"knowledge": values}, features=Features({"knowledge": Value("string")}))


def _concatenate(parts: list[Dataset]) -> Dataset:
    parts = [part for part in parts if len(part)] or parts[:1]
    return parts[0] if len(parts) == 1 else concatenate_datasets(parts)
