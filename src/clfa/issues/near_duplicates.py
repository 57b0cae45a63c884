"""Groups of posts with nearly the same text, picture, or both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from clfa.issues.near_texts import near_texts
from clfa.issues.picture_hash import near_hashes, picture_hash
from clfa.issues.posts import Posts
from clfa.tables.pictures import pictures_of

KINDS = ("text and image", "text", "image")
# Encoded pictures in memory at once.
_WINDOW = 256


@dataclass(frozen=True)
class NearGroup:
    """Posts that are nearly the same, each with another one of the group.

    Args:
        kind: One of :data:`KINDS`.
        members: Ascending positions of the posts.
        conflict: Whether their labels differ.
        across: Whether they are in several splits.
    """

    kind: str
    members: list[int]
    conflict: bool
    across: bool


def near_duplicates(posts: Posts, *, images: bool, threads: int = 4) -> list[NearGroup]:
    """Return the groups of nearly equal posts: label conflicts first, then groups across splits, then larger ones.

    Args:
        posts: The labelled samples.
        images: Whether to compare pictures; all of them are decoded.
        threads: Number of threads that decode pictures.
    """
    pairs = {"text": near_texts(posts.column("text"))}
    if images:
        pairs["image"] = _near_pictures((row["image"] for row in posts.data.select_columns(["image"])), threads)
        text = pair_groups(pairs["text"], len(posts))
        # A pair of pictures whose texts are nearly equal as well.
        pairs["text and image"] = [(i, j) for i, j in pairs["image"] if text[i] == text[j]]
    found = []
    for kind in KINDS:
        members: dict[int, list[int]] = {}
        for position, number in enumerate(pair_groups(pairs.get(kind, []), len(posts))):
            members.setdefault(number, []).append(position)
        for group in members.values():
            if len(group) > 1:
                conflict = len(set(posts.labels[group].tolist())) > 1
                found.append(NearGroup(kind, group, conflict, len({posts.splits[i] for i in group}) > 1))
    return sorted(found, key=lambda group: (not group.conflict, not group.across, -len(group.members), group.members))


def pair_groups(pairs: Iterable[tuple[int, int]], count: int) -> list[int]:
    """Return the group of each of ``count`` samples from pairs that belong together."""
    edges = np.array(list(pairs), np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    return [int(group) for group in connected_components(graph, directed=False)[1]]


def _near_pictures(images: Iterable[Any], threads: int) -> list[tuple[int, int]]:
    hashes: list[np.ndarray | None] = []
    owners: list[int] = []

    def each() -> Iterator[Any]:
        for position, image in enumerate(images):
            for picture in pictures_of(image):
                owners.append(position)
                yield picture

    stream = each()
    with ThreadPoolExecutor(threads) as pool:
        while window := list(islice(stream, _WINDOW)):
            hashes += pool.map(picture_hash, window)
    known = [number for number, found in enumerate(hashes) if found is not None]
    if not known:
        return []
    matrix = np.stack([hashes[number] for number in known])  # type: ignore[misc]
    near = ((owners[known[i]], owners[known[j]]) for i, j in near_hashes(matrix))
    # Of posts with several pictures, one near pair is enough.
    return sorted({(i, j) for i, j in near if i != j})
