"""Groups of samples that a drawn split keeps together: equal posts, or equal values of a column."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from datasets import Dataset

from clfa.data.images import image_key
from clfa.errors import ImageError
from clfa.tables.cells import as_text
from clfa.tables.paths import is_address
from clfa.tables.pictures import pictures_of

logger = logging.getLogger(__name__)

# Larger groups of equal posts are not kept together: their content is a stock text or picture, not a copied post.
MAX_SHARE = 0.1
MIN_LARGE = 10


def normalised_text(text: str | None) -> str:
    """Return a text without differences of letter case, width of characters (NFKC) and white space.

    Example:
        >>> normalised_text(" So  SUNNY\\n")
        'so sunny'
    """
    return " ".join(unicodedata.normalize("NFKC", text or "").casefold().split())


def column_groups(cells: Sequence[Any]) -> list[int]:
    """Return the group of each sample (N,) by the value of a column; a sample with an empty cell is alone."""
    return connected([as_text(cell).strip() or None for cell in cells])


def duplicate_groups(samples: Dataset) -> list[int]:
    """Return the group of each sample (N,): samples with the same normalised text or the same encoded image.

    Samples with several images are in one group if they share any of them. Groups of more than 10 samples and more
    than a tenth of all are not kept together, with a warning.

    Args:
        samples: N rows in the schema. Local images are compared by content, remote ones by address; an image that
            cannot be read equals no other.
    """
    texts: list[str | None] = [normalised_text(text) or None for text in samples["text"][:]]
    images = image_contents(samples)
    # Every image after the first of a sample is a member of its own, connected to the sample.
    further = [(sample, content) for sample, own in enumerate(images) for content in own[1:]]
    owners = [sample if len(own) > 1 else None for sample, own in enumerate(images)]
    groups = connected(
        [*texts, *(None for _ in further)],
        [*(next(iter(own), None) for own in images), *(content for _, content in further)],
        [*owners, *(sample for sample, _ in further)],
    )[: len(texts)]
    sizes = Counter(groups)
    large = {group for group, size in sizes.items() if size > max(MIN_LARGE, MAX_SHARE * len(groups))}
    if large:
        logger.warning(
            "%d samples are connected by equal texts or images, in groups too large to be kept in one split. They are "
            "drawn one by one; the reader's option group_by names a column that keeps them together.",
            sum(sizes[group] for group in large),
        )
        # A group is named by its first member, so that positions are distinct names.
        groups = [position if group in large else group for position, group in enumerate(groups)]
    return groups


def connected(*contents: Sequence[Hashable]) -> list[int]:
    """Return the group of each sample (N,), named by the position of its first member.

    Samples that share any of their contents are in one group, also through other samples.

    Args:
        contents: Sequences of N contents; ``None`` is shared with no other sample.

    Example:
        >>> connected(["a", "b", "a", None], ["x", "y", "z", "y"])
        [0, 1, 0, 1]
    """
    parent = list(range(len(contents[0])))

    def root(position: int) -> int:
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    for column in contents:
        first: dict[Hashable, int] = {}
        for position, content in enumerate(column):
            if content is not None:
                one, other = root(first.setdefault(content, position)), root(position)
                parent[max(one, other)] = min(one, other)
    return [root(position) for position in range(len(parent))]


def image_contents(samples: Dataset) -> list[list[Hashable]]:
    """Return a key of each encoded image of each sample (N lists), equal for equal images of these samples.

    It is ``None`` for an image that cannot be read or equals no other. Remote images are compared by address.

    Args:
        samples: N rows with the schema's column ``image``.
    """
    images = samples.select_columns(["image"])
    found: list[list[Hashable]] = [[_size(picture) for picture in pictures_of(row["image"])] for row in images]
    # Only images of equal size can be equal; the others need not be read.
    sizes: Counter[Hashable] = Counter(content for own in found for content in own if isinstance(content, int))
    positions = [sample for sample, own in enumerate(found) if any(sizes[content] > 1 for content in own)]
    rows: Iterable[Any] = images.select(positions) if positions else ()
    for sample, row in zip(positions, rows, strict=True):
        for number, picture in enumerate(pictures_of(row["image"])):
            if sizes[found[sample][number]] > 1:
                try:
                    found[sample][number] = image_key(picture)
                except ImageError:
                    found[sample][number] = None
    return [[None if isinstance(content, int) else content for content in own] for own in found]


def _size(image: dict[str, Any]) -> Hashable:
    """Return the encoded size, the address of a remote image, or ``None``."""
    if image["bytes"] is not None:
        return len(image["bytes"])
    path = image["path"]
    if not path:
        return None
    if is_address(path):
        return str(path)
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return None
