"""The findings as one flat record per labelled sample."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from clfa.errors import DataError
from clfa.files import atomic_write, write_jsonl
from clfa.issues.find import Issues
from clfa.issues.near_duplicates import KINDS
from clfa.sheets import SheetWriter

SUFFIXES = (".jsonl", ".csv")


def issue_records(issues: Issues) -> Iterator[dict[str, Any]]:
    """Yield a record for each sample, the most probable wrong label first.

    Each has ``rank`` (from 1), ``id``, ``split``, ``label``, ``suggested`` (the most probable class after adjustment),
    ``confidence`` (probability of the label), ``margin``, ``probably_wrong``, the number of the sample's group of
    nearly equal posts by kind (``same_text_and_image``, ``same_text``, ``same_image``; groups are numbered from 1),
    and ``agreement`` of text and image if a guide was used.
    """
    posts, names = issues.posts, issues.posts.target.label_names
    ids = posts.column("id")
    group_of = {
        (group.kind, position): number
        for number, group in enumerate(issues.groups, start=1)
        for position in group.members
    }
    for rank, position in enumerate(issues.labels.ranking.tolist(), start=1):
        record: dict[str, Any] = {
            "rank": rank,
            "id": ids[position],
            "split": posts.splits[position],
            "label": names[posts.labels[position]],
            "suggested": names[issues.labels.suggested[position]],
            "confidence": round(float(issues.labels.confidence[position]), 4),
            "margin": round(float(issues.labels.margin[position]), 4),
            "probably_wrong": bool(issues.labels.wrong[position]),
        }
        record |= {f"same_{kind.replace(' ', '_')}": group_of.get((kind, position)) for kind in KINDS}
        if issues.agreement is not None:
            cosine = float(issues.agreement[position])
            record["agreement"] = None if np.isnan(cosine) else round(cosine, 4)
        yield record


def check_suffix(path: Path) -> None:
    """Check the suffix of a file for records.

    Raises:
        DataError: If it is neither ``.jsonl`` nor ``.csv``.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: records are written to a file that ends in {' or '.join(SUFFIXES)}")


def write_records(issues: Issues, path: Path, *, raw: bool = False) -> None:
    """Write the records as JSON lines or CSV, by the suffix of ``path``.

    Args:
        issues: The findings.
        path: File to write.
        raw: Write texts into a CSV file as they are (:mod:`clfa.sheets`).

    Raises:
        DataError: As :func:`check_suffix`.
    """
    check_suffix(path)
    records = list(issue_records(issues))
    if path.suffix == ".jsonl":
        write_jsonl(path, records)
        return
    with atomic_write(path) as file:
        writer = SheetWriter(file, raw=raw)
        writer.row(records[0])
        for record in records:
            writer.row(record.values())
