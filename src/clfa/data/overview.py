"""Summary of a corpus for the log of a training: columns, splits and classes."""

from __future__ import annotations

from collections.abc import Mapping

from clfa.data.class_counts import class_counts
from clfa.data.schema import Corpus
from clfa.tables.columns import Columns


def overview(corpus: Corpus) -> list[str]:
    """Return lines of text: the column of each field, and the number of samples of each split and class.

    Args:
        corpus: A validated corpus.
    """
    lines = []
    if "columns" in corpus.facts:
        lines.append(_columns(Columns.from_dict(corpus.facts["columns"])))
    for name, split in corpus.splits.items():
        counts = ", ".join(f"{label} {count:,}" for label, count in class_counts(split, corpus).items())
        lines.append(f"{name}: {len(split):,} samples; {counts}")
    if corpus.unlabelled is not None and len(corpus.unlabelled):
        lines.append(f"unlabelled: {len(corpus.unlabelled):,} pairs")
    if "pictures" in corpus.facts:
        lines.append(pictures_line(corpus.facts["pictures"]))
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in corpus.dropped_counts().items())
    if dropped:
        lines.append(f"left out: {dropped}")
    return lines


def pictures_line(counts: Mapping[str, int]) -> str:
    """Return a line about samples with several images.

    Args:
        counts: ``facts["pictures"]`` of a corpus; see :func:`clfa.data.validation.validate`.
    """
    line = f"several images: {counts['several']:,} samples"
    if counts["unreadable"]:
        line += f"; {counts['unreadable']:,} unreadable images left out"
    if counts["ignored"]:
        line += f"; {counts['ignored']:,} images beyond data.max_images ignored"
    return line


def _columns(columns: Columns) -> str:
    entries = ["no texts" if columns.text is None else f"text {columns.text!r}"]
    if columns.image is not None:
        below = "the table's folder" if columns.image_root is None else columns.image_root
        entries.append(f"image {columns.image!r} (paths from {below})")
    for field in ("label", "knowledge", "split"):
        if (name := getattr(columns, field)) is not None:
            entries.append(f"{field} {name!r}")
    for target, names in columns.targets.items():
        entries.append(f"target {target} {', '.join(map(repr, names))}")
    entries.append(f"id {columns.id!r}" if columns.id is not None else "ids are row numbers")
    if columns.separator is not None:
        entries.append(f"separator {columns.separator!r}")
    return f"columns: {', '.join(entries)}"
