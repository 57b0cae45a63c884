"""Removal of unusable samples, with a list of the removed samples and the reasons."""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from datasets import Dataset, DatasetDict
from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from clfa.data.image_check import IMAGE_REASONS, ImageChecker
from clfa.data.schema import Corpus, Dropped, has_lists
from clfa.errors import DataError
from clfa.tables.pictures import MAX_IMAGES, pictures_of
from clfa.targets.check import check_targets, label_faults

logger = logging.getLogger(__name__)

UNLABELLED = "unlabelled"
EMPTY_TEXT = "empty text"


def validate(
    corpus: Corpus,
    *,
    check_images: bool = True,
    check_texts: bool = True,
    allow_missing: bool = False,
    strict: bool = False,
    threads: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
    max_images: int = MAX_IMAGES,
) -> Corpus:
    """Return ``corpus`` without unusable samples.

    A sample is unusable if its text is empty, its label is unknown, or, in a corpus with images, its image is missing,
    unreadable, truncated or too large. It is also unusable if its id occurs earlier in the same split, or earlier in
    another split with the same text and image; the first sample is kept. (The files of splits may each number their
    rows from 1.) Unlabelled pairs are checked in the same way, except for labels.

    Of a sample with several images the first ``max_images`` are used, without those that cannot be read; the sample is
    unusable if none can be read. ``facts["pictures"]`` has the counts: samples with several images, images beyond
    ``max_images``, unreadable images.

    Args:
        corpus: A corpus from a reader.
        check_images: Decode all images; otherwise only texts, labels and ids are checked.
        check_texts: Whether a sample without text is unusable; not for models that read no texts.
        allow_missing: Keep samples without text or without image (missing or unreadable), for models that support
            missing modalities. They are counted by reason in ``facts["incomplete"]``.
        strict: Raise an error at the first unusable sample.
        threads: Number of decoding threads; by default one per processor, at most 8.
        cache: JSON file with the results for local image files, by path, size and modification time.
        progress: Show a progress bar on a terminal.
        max_images: Largest number of images per sample.

    Returns:
        A corpus whose ``dropped`` also lists the removed samples. Splits without unusable samples are not copied.

    Raises:
        DataError: With ``strict``, at the first unusable sample.
    """
    parts: dict[str, Dataset] = dict(corpus.splits)
    if corpus.unlabelled is not None:
        parts[UNLABELLED] = corpus.unlabelled
    with_images = check_images and corpus.has_images
    empty_texts = not check_texts or (allow_missing and with_images)
    checker = ImageChecker(threads, cache)
    dropped: list[Dropped] = []
    kept: dict[str, Dataset] = {}
    # Without an id column, ids are row numbers, which cannot be compared across files.
    seen = _SeenIds(parts, across=corpus.facts.get("columns", {"id": ""}).get("id") is not None)
    incomplete: Counter[str] = Counter()
    pictures: Counter[str] = Counter()
    with _progress(progress and with_images, sum(map(len, parts.values()))) as advance:
        for name, part in parts.items():
            problems: list[tuple[str, str] | None] = []
            faults = {} if name == UNLABELLED else label_faults(part, corpus.targets)
            # Numbers of the images to keep, of samples that lose some or all.
            kept_images: dict[int, list[int]] = {}
            has_text = [bool(text and text.strip()) for text in part["text"][:]] if allow_missing else []
            checking = checker if with_images else None
            found = _problems(part, name, faults, seen, checking, empty_texts, max_images)
            for problem, checked in found:
                position = len(problems)
                if checked is not None and checked.readable:
                    pictures.update(checked.counts())
                    if len(checked.readable) < checked.count:
                        kept_images[position] = checked.readable
                if allow_missing and with_images:
                    no_image = problem is not None and problem[0] in IMAGE_REASONS
                    if problem is not None and no_image and has_text[position]:
                        incomplete[problem[0]] += 1
                        kept_images[position] = []
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
            whole = _with_images(part, kept_images) if kept_images else part
            kept[name] = whole if len(good) == len(part) else whole.select(good)
    if with_images:
        checker.save()
    unlabelled = kept.pop(UNLABELLED, None)
    facts = {**corpus.facts, "incomplete": dict(incomplete)} if allow_missing else corpus.facts
    if with_images and any(has_lists(part) for part in parts.values()):
        facts = {**facts, "pictures": {name: pictures[name] for name in ("several", "ignored", "unreadable")}}
    dropped = [*corpus.dropped, *dropped]
    return replace(corpus, splits=DatasetDict(kept), unlabelled=unlabelled, dropped=dropped, facts=facts)


def check_classes(corpus: Corpus) -> None:
    """Check that all classes can be learnt; those absent from validation or test are in :mod:`clfa.data.concerns`.

    Raises:
        DataError: As :func:`clfa.targets.check.check_targets`; the message names the class.
    """
    check_targets(corpus.name, corpus.splits, corpus.targets)


def _with_images(part: Dataset, kept: Mapping[int, list[int]]) -> Dataset:
    """Return the part in which the samples at the positions in ``kept`` have only the images of these numbers."""

    def choose(image: Any, numbers: list[int] | None) -> Any:
        if numbers is None:
            return image
        pictures = pictures_of(image)
        return [pictures[number] for number in numbers] or None

    def clear(batch: dict[str, Any], indices: list[int]) -> dict[str, Any]:
        images = zip(batch["image"], indices, strict=True)
        return {"image": [choose(image, kept.get(index)) for image, index in images]}

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
    max_images: int,
) -> Iterator[tuple[tuple[str, str] | None, _Checked | None]]:
    # Check ids and texts first; unusable samples need no decoding.
    quick: list[tuple[str, str] | None] = []
    light = part.select_columns(["id", "text"])
    for position, (id, text) in enumerate(zip(light["id"][:], light["text"][:], strict=True)):
        problem = _quick_problem(id, text, faults.get(position), allow_empty_text)
        if problem is None and (earlier := seen.find(id, name, position)) is not None:
            problem = "duplicate id", f"the first one, in {earlier}, is kept"
        quick.append(problem)
    if checker is None:
        yield from ((problem, None) for problem in quick)
        return
    good = [position for position, problem in enumerate(quick) if problem is None]
    images = part.select(good).select_columns(["image"]) if len(good) < len(part) else part.select_columns(["image"])
    checked = _check_images(checker, (row["image"] for row in images), max_images)
    for problem in quick:
        if problem is not None:
            yield problem, None
        else:
            found = next(checked)
            yield found.problem, found


@dataclass(frozen=True)
class _Checked:
    """The checked images of a sample.

    Args:
        count: Number of images.
        problem: Reason and detail if none can be read, else ``None``.
        readable: Numbers of the images that are used.
        unreadable: Number of images that cannot be read, of those that were checked.
    """

    count: int
    problem: tuple[str, str] | None
    readable: list[int]
    unreadable: int

    def counts(self) -> dict[str, int]:
        """Return the counts of ``facts["pictures"]``."""
        ignored = self.count - len(self.readable) - self.unreadable
        return {"several": int(len(self.readable) > 1), "ignored": ignored, "unreadable": self.unreadable}


def _check_images(checker: ImageChecker, images: Iterable[Any], max_images: int) -> Iterator[_Checked]:
    counts: deque[int] = deque()

    def each() -> Iterator[Any]:
        for image in images:
            pictures = pictures_of(image)
            counts.append(len(pictures))
            yield from pictures[:max_images] or [None]

    # The checker reads ahead: when it yields the first result of a sample, the sample's count is known.
    results = checker.check(each())
    for first in results:
        count = counts.popleft()
        found = [first, *islice(results, max(0, min(count, max_images) - 1))]
        readable = [number for number, problem in enumerate(found) if problem is None]
        yield _Checked(count, None if readable else first, readable, len(found) - len(readable))


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
    first: dict[str, Any] = next(iter(pictures_of(row["image"])), {})
    source = first.get("path") or f"row {position}"
    return Dropped(row["id"] or "", "" if name == UNLABELLED else name, str(source), *problem)


@contextmanager
def _progress(show: bool, total: int) -> Iterator[Any]:
    from clfa.terminal import console

    terminal = console(stderr=True)
    if not show or not terminal.is_terminal:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("checking images", total=total)
        yield lambda: bar.advance(task)
