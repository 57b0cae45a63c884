"""Parallel check whether images can be decoded, with a cache between runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from clfa.data.images import ImageSource, MissingImageError, RefusedImageError, load_image, read_image_bytes
from clfa.errors import ImageError
from clfa.files import write_json
from clfa.tables.gate import ADDRESS, OUTSIDE
from clfa.tables.hosts import PRIVATE_HOST, PrivateHostError
from clfa.tables.paths import is_address

MISSING = "missing image"
UNREADABLE = "unreadable image"
# Reasons of samples whose image cannot be used.
IMAGE_REASONS = (MISSING, UNREADABLE, OUTSIDE, ADDRESS, PRIVATE_HOST)

_WINDOW = 256


def reason_of(error: ImageError) -> str:
    """Return the short reason of an image error, for counting: missing, unreadable, or the permission it needs."""
    if isinstance(error, RefusedImageError):
        return error.reason
    if isinstance(error, PrivateHostError):
        return PRIVATE_HOST
    return MISSING if isinstance(error, MissingImageError) else UNREADABLE


class ImageChecker:
    """Decode images in threads (Pillow releases the interpreter lock) and report the problem of each.

    Args:
        threads: Number of threads; by default one per processor, at most 8.
        cache: JSON file with the results of decoding by local path, size and modification time, so that the next run
            checks only new and changed files. Failures to read a file are not kept. Written by :meth:`save`.
    """

    def __init__(self, threads: int | None = None, cache: str | os.PathLike[str] | None = None) -> None:
        self.threads = threads or min(8, os.cpu_count() or 1)
        self._cache_path = Path(cache) if cache is not None else None
        self._known: dict[str, list[Any]] = {}
        self._learnt = False
        if self._cache_path is not None and self._cache_path.is_file():
            try:
                self._known = dict(json.loads(self._cache_path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError, RecursionError):
                self._known = {}  # Ignore an unreadable cache; it is written again.

    def check(self, images: Iterable[ImageSource | None]) -> Iterator[tuple[str, str] | None]:
        """Yield, for each image in order, ``None`` if it can be decoded, else reason and detail.

        At most 256 images are in memory at a time.
        """
        stream = iter(images)
        with ThreadPoolExecutor(self.threads) as pool:
            while window := list(islice(stream, _WINDOW)):
                yield from pool.map(self._check_one, window)

    def save(self) -> None:
        """Write the cache file, if there is one and it has new entries."""
        if self._cache_path is not None and self._learnt:
            write_json(self._cache_path, self._known)
            self._learnt = False

    def _check_one(self, image: ImageSource | None) -> tuple[str, str] | None:
        stamp = _stamp(image) if self._cache_path is not None else None
        if stamp is not None:
            known = self._known.get(stamp[0])
            # Anything else is damage: it would be a reason that nothing knows, or none.
            detail = _detail(known)
            if detail is not None and known in ([*stamp[1:], "", ""], [*stamp[1:], UNREADABLE, detail]):
                return (known[2], known[3]) if known[2] else None
        problem, lasting = _problem(image)
        if stamp is not None and lasting:
            self._known[stamp[0]] = [*stamp[1:], *(problem or ("", ""))]
            self._learnt = True
        return problem


def _problem(image: ImageSource | None) -> tuple[tuple[str, str] | None, bool]:
    """Return the problem of an image, and whether it is one of its content, so that it lasts.

    A failure to read the file (permissions, a network disk, too many open files) or a lack of memory may pass.
    """
    if image is None:
        return (MISSING, "the sample has no image"), False
    try:
        content = read_image_bytes(image) if isinstance(image, Mapping) and image.get("bytes") is None else None
    except ImageError as error:
        return (reason_of(error), str(error)), False
    try:
        load_image(image if content is None else {**image, "bytes": content})  # type: ignore[dict-item]
    except ImageError as error:
        reason = reason_of(error)
        return (reason, str(error)), reason == UNREADABLE and not _may_pass(error)
    return None, True


def _may_pass(error: BaseException | None) -> bool:
    """Return whether an error of decoding is a lack of memory or an error of the system, also behind others."""
    if error is None:
        return False
    # Pillow's decoders have a code of their own for a lack of memory.
    passing = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None)
    return passing or "out of memory" in str(error) or _may_pass(error.__cause__ or error.__context__)


def _detail(known: Any) -> str | None:
    """Return the explanation in an entry of the cache; ``None`` if it has none."""
    return known[3] if isinstance(known, list) and len(known) == 4 and isinstance(known[3], str) else None


def _stamp(image: ImageSource | None) -> tuple[str, int, int] | None:
    path = image.get("path") if isinstance(image, dict) and image.get("bytes") is None else None
    if not isinstance(path, str) or is_address(path):
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None
    return os.path.abspath(path), status.st_size, status.st_mtime_ns
