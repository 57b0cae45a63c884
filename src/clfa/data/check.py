"""Check of a data set before training: counts, duplicates, and comparison with published counts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from datasets import Dataset

from clfa.data.class_counts import class_counts
from clfa.data.concerns import data_concerns, no_texts
from clfa.data.duplicates import Duplicates, find_duplicates
from clfa.data.order_leak import OrderLeak, order_leaks
from clfa.data.published import ALL, PUBLISHED, Published
from clfa.data.readers import read_corpus
from clfa.data.schema import Corpus, has_lists
from clfa.data.validation import validate
from clfa.tables.access import Access
from clfa.tables.pictures import pictures_of


@dataclass(frozen=True)
class SplitReport:
    """Figures of one split.

    Args:
        lines: Number of lines of the distributed file, or ``None`` if the split has no file of its own.
        kept: Number of usable samples.
        published: Number of samples reported in papers, or ``None``.
        classes: Number of samples by class; by ``target: class`` or ``target: number`` if there are other targets than
            the default label.
        words: Number of words per text: mean, median, 95th percentile, maximum.
        images: Number of samples with an image.
        knowledge: Number of samples with knowledge text.
    """

    lines: int | None
    kept: int
    published: int | None
    classes: dict[str, int]
    words: dict[str, float]
    images: int
    knowledge: int


@dataclass(frozen=True)
class Verdict:
    """Comparison of a published count with this copy of the data.

    Args:
        what: Name of the count, for instance ``"train samples"``.
        published: Count in the literature.
        found: Count in this copy.
        reason: Reason of the difference; empty if the counts are equal.
    """

    what: str
    published: int
    found: int
    reason: str = ""

    @property
    def reproduced(self) -> bool:
        """Whether the counts are equal."""
        return self.published == self.found

    def __str__(self) -> str:
        if self.reproduced:
            return f"{self.what}: {self.found:,}, as published: reproduced"
        difference = f"differs by {self.found - self.published:+,}"
        return f"{self.what}: {self.found:,} of {self.published:,} published: {difference}: {self.reason}"


@dataclass(frozen=True)
class CheckReport:
    """Result of :func:`check_corpus`.

    Args:
        name: Name of the reader.
        data_dir: Source of the data.
        splits: Reports by split name.
        verdicts: Comparisons with published counts; empty for data sets without published counts.
        source: Publication of these counts.
        unlabelled: Number of pairs without a label.
        dropped: Number of samples left out, by reason.
        duplicates: Equal contents within and across splits.
        leaks: What ids or file order tell about the labels of validation and test.
        facts: Observations of the reader: split, text encodings and others.
        corpus: The validated corpus, with all dropped samples.
        concerns: What in the data may mislead a training, see :mod:`clfa.data.concerns`.
    """

    name: str
    data_dir: str
    splits: dict[str, SplitReport]
    verdicts: list[Verdict]
    source: str
    unlabelled: int
    dropped: dict[str, int]
    duplicates: list[Duplicates]
    leaks: list[OrderLeak]
    facts: dict[str, Any]
    corpus: Corpus
    concerns: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values, with all dropped samples and without the samples themselves."""
        return {
            "name": self.name,
            "data_dir": self.data_dir,
            "label_names": self.corpus.label_names,
            "splits": {split: asdict(report) for split, report in self.splits.items()},
            "verdicts": [{**asdict(verdict), "reproduced": verdict.reproduced} for verdict in self.verdicts],
            "published": self.source,
            "unlabelled": self.unlabelled,
            "dropped_counts": self.dropped,
            "dropped": [asdict(sample) for sample in self.corpus.dropped],
            "duplicates": [asdict(duplicates) for duplicates in self.duplicates],
            "leaks": [{**asdict(leak), "clear": leak.clear} for leak in self.leaks],
            "facts": self.facts,
            "warnings": self.concerns,
        }


def check_corpus(
    name: str,
    data_dir: str | os.PathLike[str] | Any,
    /,
    *,
    check_images: bool = True,
    strict: bool = False,
    threads: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
    access: Access | None = None,
    **options: Any,
) -> CheckReport:
    """Read a data set, validate it and compare it with the published counts.

    Args:
        name: Name of the reader.
        data_dir: Source of the data.
        check_images: Decode all images and search for duplicate images.
        strict: Raise an error at the first unusable sample.
        threads: Number of threads that read and decode images.
        cache: See :func:`clfa.data.validation.validate`.
        progress: Show a progress bar on a terminal.
        access: What rows may open.
        options: Options of the reader.

    Raises:
        DataError: If the data cannot be read, or, with ``strict``, if a sample cannot be used.
        RecipeError: If the reader or an option is unknown.
    """
    read = read_corpus(name, data_dir, access=access, **options)
    corpus = validate(
        read,
        check_images=check_images,
        check_texts=read.has_texts,
        strict=strict,
        threads=threads,
        cache=cache,
        progress=progress,
    )
    published = PUBLISHED.get(name)
    lines = corpus.facts.get("lines", {})
    splits = {split: _split_report(split, data, corpus, lines, published) for split, data in corpus.splits.items()}
    duplicates = find_duplicates(
        corpus.splits, images=check_images and corpus.has_images, threads=threads or min(8, os.cpu_count() or 1)
    )
    return CheckReport(
        name=name,
        data_dir=os.fspath(data_dir) if isinstance(data_dir, (str, os.PathLike)) else f"<{type(data_dir).__name__}>",
        splits=splits,
        verdicts=_verdicts(published, splits, corpus, lines) if published else [],
        source=published.source if published else "",
        unlabelled=len(corpus.unlabelled) if corpus.unlabelled is not None else 0,
        dropped=corpus.dropped_counts(),
        duplicates=duplicates,
        leaks=order_leaks(corpus.splits, corpus.targets),
        facts=corpus.facts,
        corpus=corpus,
        concerns=[
            *no_texts(corpus),
            *data_concerns(corpus, {found.kind: found.leaked for found in duplicates if " " not in found.kind}),
        ],
    )


def _split_report(
    split: str, data: Dataset, corpus: Corpus, lines: Mapping[str, int], published: Published | None
) -> SplitReport:
    words = np.array([len(text.split()) for text in data["text"][:]] or [0])
    return SplitReport(
        lines=lines.get(split),
        kept=len(data),
        published=published.kept.get(split) if published is not None else None,
        classes=class_counts(data, corpus),
        words={
            "mean": round(float(words.mean()), 1),
            "median": float(np.median(words)),
            "95 %": float(np.percentile(words, 95)),
            "largest": int(words.max()),
        },
        images=_count_images(data),
        knowledge=_count_valid(data, "knowledge"),
    )


def _count_images(data: Dataset) -> int:
    if not has_lists(data):
        return _count_valid(data, "image")
    return sum(bool(pictures_of(row["image"])) for row in data.select_columns(["image"]))


def _count_valid(data: Dataset, column: str) -> int:
    batches = data.select_columns([column]).with_format("arrow").iter(batch_size=256)
    return sum(len(batch) - batch.column(column).null_count for batch in batches)


def _verdicts(
    published: Published, splits: Mapping[str, SplitReport], corpus: Corpus, lines: Mapping[str, int]
) -> list[Verdict]:
    verdicts = []
    for part, count in published.lines.items():
        if part in lines:
            reason = "this copy is incomplete" if lines[part] < count else "this copy has more; is it another release?"
            verdicts.append(Verdict(_title(part, "lines"), count, lines[part], reason * (lines[part] != count)))
    for part, count in published.kept.items():
        reports = list(splits.values()) if part == ALL else [splits[part]] if part in splits else []
        found = sum(report.kept for report in reports)
        reason = _reason(part, found - count, published, corpus, lines) if found != count else ""
        verdicts.append(Verdict(_title(part, "samples"), count, found, reason))
        for label, expected in published.classes.get(part, {}).items():
            if not any(label in report.classes for report in reports):
                # An option of the reader asked for other classes.
                continue
            here = sum(report.classes.get(label, 0) for report in reports)
            why = "follows from the number of samples" if reason else "labels differ; is it another release?"
            verdicts.append(Verdict(_title(part, label), expected, here, why * (here != expected)))
    return verdicts


def _title(part: str, what: str) -> str:
    return what if part == ALL else f"{part} {what}"


def _reason(part: str, difference: int, published: Published, corpus: Corpus, lines: Mapping[str, int]) -> str:
    if difference > 0:
        return "more than published: unfiltered, or another release?"
    reasons = []
    missing = published.lines.get(part, 0) - lines.get(part, 0)
    if part in lines and missing > 0:
        reasons.append(f"this copy is incomplete, {missing:,} of {published.lines[part]:,} lines are absent")
    if corpus.unlabelled is not None and len(corpus.unlabelled):
        reasons.append(f"pairs without a usable label: {len(corpus.unlabelled):,}")
    dropped = Counter(sample.reason for sample in corpus.dropped if part == ALL or sample.split == part)
    reasons += [f"{count:,} left out: {reason}" for reason, count in dropped.most_common()]
    return "; ".join(reasons) or "samples are absent from this copy"
