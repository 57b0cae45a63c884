"""Detection of duplicate samples within and across splits."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from datasets import DatasetDict

from clfa.data.images import pictures_key
from clfa.errors import ImageError
from clfa.store import single_keys

_WINDOW = 256


@dataclass(frozen=True)
class Duplicates:
    """Duplicates of one kind of content.

    Args:
        kind: ``"text"``, ``"image"`` or ``"text and image"``.
        groups: Number of groups of samples with equal content.
        samples: Number of samples in these groups.
        across: Number of groups with samples of more than one split.
        leaked: Number of validation and of test samples whose content also occurs in the training split.
        examples: The first groups across splits, as ``"split:id"``.
    """

    kind: str
    groups: int
    samples: int
    across: int
    leaked: dict[str, int]
    examples: list[list[str]]


def find_duplicates(splits: DatasetDict, *, images: bool, threads: int = 4, examples: int = 20) -> list[Duplicates]:
    """Find samples with equal text (ignoring letter case) and, with ``images``, equal encoded images, or both.

    Samples with several images have equal ones if all are equal, in any order.

    Args:
        splits: Validated splits.
        images: Whether to compare images; all of them are read.
        threads: Number of threads that read images.
        examples: Number of groups to list per kind.
    """
    where: list[tuple[str, str]] = []
    texts: list[Hashable] = []
    keys: list[Hashable] = []
    for name, split in splits.items():
        where += [(name, id) for id in split["id"][:]]
        texts += [text.casefold() or None for text in split["text"][:]]
        if images:
            keys += _image_keys((row["image"] for row in split.select_columns(["image"])), threads)
    kinds: list[tuple[str, Sequence[Hashable]]] = [("text", texts)]
    if images:
        both = [None if key is None else (text, key) for text, key in zip(texts, keys, strict=True)]
        kinds = [("text and image", both), ("image", keys), *kinds]
    return [_group(kind, contents, where, examples) for kind, contents in kinds]


def _group(kind: str, contents: Sequence[Hashable], where: list[tuple[str, str]], examples: int) -> Duplicates:
    members: dict[Hashable, list[tuple[str, str]]] = {}
    for content, place in zip(contents, where, strict=True):
        if content is not None:
            members.setdefault(content, []).append(place)
    groups = [group for group in members.values() if len(group) > 1]
    across = [group for group in groups if len({split for split, _ in group}) > 1]
    trained = [group for group in across if any(split == "train" for split, _ in group)]
    leaked = {name: sum(split == name for group in trained for split, _ in group) for name in ("validation", "test")}
    shown = [[f"{split}:{id}" for split, id in group] for group in across[:examples]]
    return Duplicates(kind, len(groups), sum(map(len, groups)), len(across), leaked, shown)


def _image_keys(images: Iterable[Any], threads: int) -> list[Hashable]:
    keys: list[Hashable] = []
    stream = iter(images)
    with ThreadPoolExecutor(threads) as pool:
        while window := list(islice(stream, _WINDOW)):
            keys += pool.map(_image_key, window)
    return keys


def _image_key(image: Any) -> bytes | None:
    try:
        return b"".join(sorted(single_keys(pictures_key(image)))) or None
    except ImageError:
        return None
