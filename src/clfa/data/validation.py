"""Removal of unusable samples, with a list of the removed samples and the reasons."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from datasets import Dataset, DatasetDict
from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from clfa.data.image_check import MISSING, UNREADABLE, ImageChecker
from clfa.data.schema import Corpus, Dropped
from clfa.errors import DataError
from clfa.targets.check import check_targets, label_faults

logger = logging.getLogger(__name__)

UNLABELLED = "unlabelled"
EMPTY_TEXT = "empty text"


def validate(
    corpus: Corpus,
    *,
    check_images: bool = True,
    allow_missing: bool = False,
    strict: bool = False,
    threads: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Corpus:
    """Return ``corpus`` without unusable samples.

    A sample is unusable if its text is empty, its label is unknown, or, in a corpus with images, its image is missing,
    unreadable, truncated or too large. It is also unusable if its id occurs earlier in the same split, or earlier in
    another split with the same text and image; the first sample is kept. (The files of splits may each number their
    rows from 1.) Unlabelled pairs are checked in the same way, except for labels.

    Args:
        corpus: A corpus from a reader.
        check_images: Decode all images; otherwise only texts, labels and ids are checked.
        allow_missing: Keep samples without text or without image (missing or unreadable), for models that support
            missing modalities. They are counted by reason in ``facts["incomplete"]``.
        strict: Raise an error at the first unusable sample.
        threads: Number of decoding threads; by default one per processor, at most 8.
        cache: JSON file with the results for local image files, by path, size and modification time.
        progress: Show a progress bar on a terminal.

    Returns:
        A corpus whose ``dropped`` also lists the removed samples. Splits without unusable samples are not copied.

    Raises:
        DataError: With ``strict``, at the first unusable sample.
    """
    parts: dict[str, Dataset] = dict(corpus.splits)
    if corpus.unlabelled is not None:
        parts[UNLABELLED] = corpus.unlabelled
    with_images = check_images and corpus.has_images
    checker = ImageChecker(threads, cache)
    dropped: list[Dropped] = []
    kept: dict[str, Dataset] = {}
    # Without an id column, ids are row numbers, which cannot be compared across files.
    seen = _SeenIds(parts, across=corpus.facts.get("columns", {"id": ""}).get("id") is not None)
    incomplete: Counter[str] = Counter()
    with _progress(progress and with_images, sum(map(len, parts.values()))) as advance:
        for name, part in parts.items():
            problems: list[tuple[str, str] | None] = []
            faults = {} if name == UNLABELLED else label_faults(part, corpus.targets)
            without_image: set[int] = set()
            has_text = [bool(text and text.strip()) for text in part["text"][:]] if allow_missing else []
            checking = checker if with_images else None
            for problem in _problems(part, name, faults, seen, checking, allow_missing and with_images):
                position = len(problems)
                if allow_missing and with_images:
                    no_image = problem is not None and problem[0] in (MISSING, UNREADABLE)
                    if problem is not None and no_image and has_text[position]:
                        incomplete[problem[0]] += 1
                        without_image.add(position)
                        problem = None
                    elif problem is None and not has_text[position]:
                        incomplete[EMPTY_TEXT] += 1
                    elif problem is not None and no_image:
                        problem = ("neither text nor image", problem[1])
                if problem is not None:
                    sample = _describe(part, len(problems), name, problem)
                    if strict:
                        where = f"sample {sample.id!r} ({name}, row {len(problems)})"
                        raise DataError(f"{corpus.name}: {where}: {sample.reason}: {sample.detail}")
                    dropped.append(sample)
                problems.append(problem)
                advance()
            good = [position for position, problem in enumerate(problems) if problem is None]
            whole = _without_images(part, without_image) if without_image else part
            kept[name] = whole if len(good) == len(part) else whole.select(good)
    if with_images:
        checker.save()
    unlabelled = kept.pop(UNLABELLED, None)
    facts = {**corpus.facts, "incomplete": dict(incomplete)} if allow_missing else corpus.facts
    dropped = [*corpus.dropped, *dropped]
    return replace(corpus, splits=DatasetDict(kept), unlabelled=unlabelled, dropped=dropped, facts=facts)


def check_classes(corpus: Corpus) -> None:
    """Check that all classes can be learnt. Classes absent from validation or test only cause a warning.

    Raises:
        DataError: As :func:`clfa.targets.check.check_targets`; the message names the class.
    """
    check_targets(corpus.name, corpus.splits, corpus.targets)


def _without_images(part: Dataset, positions: set[int]) -> Dataset:
    def clear(batch: dict[str, Any], indices: list[int]) -> dict[str, Any]:
        images = zip(batch["image"], indices, strict=True)
        return {"image": [None if index in positions else image for image, index in images]}

    # Hide the progress bar of `map`.
    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        return part.map(clear, batched=True, with_indices=True, features=part.features)
    finally:
        if shown:
            enable_progress_bars()


def _problems(
    part: Dataset,
    name: str,
    faults: Mapping[int, str],
    seen: _SeenIds,
    checker: ImageChecker | None,
    allow_empty_text: bool,
) -> Iterator[tuple[str, str] | None]:
    # Check ids and texts first; unusable samples need no decoding.
    quick: list[tuple[str, str] | None] = []
    light = part.select_columns(["id", "text"])
    for position, (id, text) in enumerate(zip(light["id"][:], light["text"][:], strict=True)):
        problem = _quick_problem(id, text, faults.get(position), allow_empty_text)
        if problem is None and (earlier := seen.find(id, name, position)) is not None:
            problem = "duplicate id", f"the first one, in {earlier}, is kept"
        quick.append(problem)
    if checker is None:
        yield from quick
        return
    good = [position for position, problem in enumerate(quick) if problem is None]
    images = part.select(good).select_columns(["image"]) if len(good) < len(part) else part.select_columns(["image"])
    checked = checker.check(row["image"] for row in images)
    for problem in quick:
        yield problem or next(checked)


def _quick_problem(
    id: str | None, text: str | None, fault: str | None, allow_empty_text: bool
) -> tuple[str, str] | None:
    if not id:
        return "missing id", "the sample has no id"
    if not allow_empty_text and not (text and text.strip()):
        return EMPTY_TEXT, "the text is empty"
    return None if fault is None else ("unknown label", fault)


class _SeenIds:
    """Ids of the samples checked so far.

    Args:
        parts: Samples by split.
        across: Whether ids can be compared across splits.
    """

    def __init__(self, parts: Mapping[str, Dataset], across: bool) -> None:
        self._parts, self._across = parts, across
        self._places: dict[str, dict[str, int]] = {}

    def find(self, id: str, split: str, position: int) -> str | None:
        """Return the split in which the sample occurred before; otherwise store its id and return ``None``."""
        places = self._places.setdefault(id, {})
        if split in places:
            return split
        for other, place in places.items() if self._across else ():
            if self._same(self._parts[other], place, self._parts[split], position):
                return other
        places[split] = position
        return None

    @staticmethod
    def _same(one: Dataset, first: int, other: Dataset, second: int) -> bool:
        for column in ("text", "image"):
            if one.select_columns([column])[first] != other.select_columns([column])[second]:
                return False
        return True


def _describe(part: Dataset, position: int, name: str, problem: tuple[str, str]) -> Dropped:
    row = part.select_columns(["id", "image"])[position]
    source = (row["image"] or {}).get("path") or f"row {position}"
    return Dropped(row["id"] or "", "" if name == UNLABELLED else name, str(source), *problem)


@contextmanager
def _progress(show: bool, total: int) -> Iterator[Any]:
    from rich.console import Console

    console = Console(stderr=True)
    if not show or not console.is_terminal:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("checking images", total=total)
        yield lambda: bar.advance(task)
