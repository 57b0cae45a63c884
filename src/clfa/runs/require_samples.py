"""Errors about data without samples, or without a split, that a training needs: with counts, reasons and what to do."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from clfa.data import Corpus
from clfa.data.class_counts import class_counts
from clfa.data.validation import check_classes
from clfa.errors import Argument, DataError
from clfa.targets.default_label import is_default_label

_Parts = tuple[str | Argument, ...]


def require_samples(corpus: Corpus, place: Any) -> None:
    """Check that a corpus has a labelled sample.

    Args:
        corpus: The corpus, as it was read.
        place: Where it was read, for the message.

    Raises:
        DataError: If no row has a label, or all were left out; with the counts, the first reason and what to do.
    """
    if any(map(len, corpus.splits.values())):
        return
    name = f"{corpus.name} in {place}" if isinstance(place, str | os.PathLike) else corpus.name
    start = f"{name}: "
    unlabelled = 0 if corpus.unlabelled is None else len(corpus.unlabelled)
    if unlabelled:
        left_out = f"; {left_out_line(corpus)}" if corpus.dropped else ""
        raise DataError(start, *_no_label(corpus, f"none of {unlabelled:,} rows has a label"), left_out)
    if not corpus.dropped:
        raise DataError(f"{name} has no samples.")
    raise DataError(f"{start}all {len(corpus.dropped):,} rows were left out. {left_out_line(corpus)}", *_advice(corpus))


def require_splits(corpus: Corpus) -> None:
    """Check that a corpus can be trained on.

    Raises:
        DataError: When the training or validation split is missing or empty, with the reason and what to do; or a class
            has no training sample.
    """
    sizes = {name: len(split) for name, split in corpus.splits.items()}
    absent = [name for name in ("train", "validation") if not sizes.get(name)]
    if absent:
        parts: list[str | Argument] = [f"{corpus.name} has no {' and no '.join(absent)} samples"]
        kept = ", ".join(f"{name} {size:,}" for name, size in sizes.items() if size)
        parts.append(f"; it has: {kept}." if kept else ".")
        if corpus.dropped:
            parts += [f" {left_out_line(corpus)}", *_advice(corpus)]
        how = str(corpus.facts.get("split", ""))
        classes = _classes(corpus)
        if how and len(classes) > 1 and max(classes.values()) == 1:
            parts += _no_label(corpus, f" No two rows have the same class: {len(classes):,} classes in as many rows")
        elif how and not how.startswith("as given"):
            parts.append(
                f" The splits were drawn ({how}), and there are too few rows to draw from, or all of them are kept "
                "together because they have the same text or picture."
            )
            parts += [" Give more rows, a column of splits, or a file per split; ", Argument("group_by", ...)]
            parts.append(" names the column whose rows are kept together, for instance the ids.")
        elif how and not corpus.dropped:
            parts.append(f" Give rows of the split {' and '.join(absent)}, or none of the splits, and they are drawn.")
        raise DataError(*parts)
    check_classes(corpus)


def _classes(corpus: Corpus) -> Counter[str]:
    """Return the number of samples by class in all splits; empty for other targets than the default label."""
    counts: Counter[str] = Counter()
    for split in corpus.splits.values() if is_default_label(corpus.targets) else ():
        counts.update(class_counts(split, corpus))
    return +counts


def left_out_line(corpus: Corpus) -> str:
    """Return the counts of the samples left out by reason, and the first of each of the two most frequent reasons."""
    counts = corpus.dropped_counts()
    line = "Left out: " + ", ".join(f"{count:,} x {reason}" for reason, count in counts.items()) + "."
    for reason in list(counts)[:2]:
        first = next(sample for sample in corpus.dropped if sample.reason == reason)
        line += f" The first with {reason}: {first.source}: {(first.detail or first.reason).rstrip('.')}."
    return line


def _advice(corpus: Corpus) -> _Parts:
    """Return what to do about the most frequent reason."""
    reason = next(iter(corpus.dropped_counts()))
    columns = corpus.facts.get("columns", {})
    if reason == "unknown split" and columns.get("split"):
        seen = dict.fromkeys(sample.detail.split(" is not ")[0] for sample in corpus.dropped if sample.reason == reason)
        shown = ", ".join(list(seen)[:5]) + (", ..." if len(seen) > 5 else "")
        return (
            f" The splits are read from the column {columns['split']!r}, which has {shown}; its cells must be train, "
            "validation, test or unlabelled. Rename it if it holds something else, and the splits are drawn.",
        )
    if reason == "unknown label":
        return _no_label(corpus, " The classes are those of label_names, or of the trained model")
    if reason == "missing image":
        return (" Image paths are relative to the table's folder; ", Argument("image_root", ...), " names another.")
    if reason == "empty text" and columns.get("text"):
        return (
            f" The texts are read from the column {columns['text']!r}; name another with ",
            Argument("text", ...),
            ".",
        )
    return ()


def _no_label(corpus: Corpus, start: str) -> _Parts:
    """Return a sentence that names the label's column and what to do."""
    if not is_default_label(corpus.targets):
        return (f"{start}. Check the columns of the targets ({', '.join(t.name for t in corpus.targets)}).",)
    column = corpus.facts.get("columns", {}).get("label")
    if column is None:
        return (f"{start}, and no column has a usual name of labels; name it with ", Argument("label", ...), ".")
    return (f"{start}; the labels are read from the column {column!r}; name another with ", Argument("label", ...), ".")
