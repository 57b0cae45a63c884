"""Feature store: a cache of feature arrays on disk by content key, read through a memory map."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from clfa.errors import DataError
from clfa.files import atomic_path
from clfa.locks import file_lock

logger = logging.getLogger(__name__)

KEY_BYTES = 16
# Key of missing content: a sample without text or image. It is never stored.
ABSENT_KEY = b""
# The index ends with this word and the digest of all bytes before it.
_SEAL = b"CLFA-INDEX"
_DIGEST_BYTES = 16
# What NumPy and zipfile raise for damaged bytes.
UNREADABLE = (
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    OSError,
)
# Checksum of an entry of an earlier version. The next writer computes it.
_UNKNOWN = -1


def single_keys(key: bytes) -> list[bytes]:
    """Return the content keys in the key of a sample, which for several images is their keys joined.

    Example:
        >>> single_keys(ABSENT_KEY), single_keys(bytes(16)) == [bytes(16)], len(single_keys(bytes(32)))
        ([], True, 2)
    """
    return [key[start : start + KEY_BYTES] for start in range(0, len(key), KEY_BYTES)]


def key_numbers(keys: Iterable[bytes]) -> np.ndarray:
    """Number content keys (N,) int64: equal keys have the same number, :data:`ABSENT_KEY` has -1.

    Example:
        >>> key_numbers([b"a", b"b", ABSENT_KEY, b"a"]).tolist()
        [0, 1, -1, 0]
    """
    numbers: dict[bytes, int] = {}
    found = (-1 if key == ABSENT_KEY else numbers.setdefault(key, len(numbers)) for key in keys)
    return np.fromiter(found, np.int64)


def text_key(text: str) -> bytes:
    """Return the 16-byte content key of a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


class FeatureStore:
    """Arrays of shape (n, width) by 16-byte key; n may differ between keys.

    ``data.bin`` contains the rows of all arrays, ``index.npz`` their positions. Rows are appended first, then the index
    is replaced atomically. A killed writer therefore leaves a valid store: rows that are not in the index are
    overwritten by the next writer. A lock file allows one writer at a time.

    The index has a checksum (CRC-32) of each array and a digest of itself. An array is compared with its checksum once
    per handle, in :meth:`missing` or at the first access. :meth:`missing` counts damaged arrays as absent, with one
    warning, so that they are computed anew; a damaged index counts as an empty store.

    Args:
        directory: Created if absent. One directory per source of features (encoder and preprocessing).
        width: Row width.
        dtype: Data type on disk; ``float16`` halves the size of token features.

    Raises:
        DataError: If the directory contains a store of another width or data type, or cannot be read.

    Example:
        >>> import tempfile
        >>> store = FeatureStore(tempfile.mkdtemp(), width=2, dtype="float32")
        >>> store.add([(b"0123456789abcdef", np.ones((3, 2)))])
        >>> store[b"0123456789abcdef"].shape
        (3, 2)
    """

    def __init__(self, directory: str | os.PathLike[str], width: int, dtype: str = "float16") -> None:
        self.directory = Path(directory)
        self.width = width
        self.dtype = np.dtype(dtype)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._rows: np.ndarray | None = None
        # First row, number of rows, checksum.
        self._positions: dict[bytes, tuple[int, int, int]] = {}
        self._used = 0
        # Keys whose arrays were compared with their checksums.
        self._verified: set[bytes] = set()
        # First rows of damaged arrays by key.
        self._damaged: dict[bytes, int] = {}
        # Whether the files must be made anew.
        self._lost = False
        self._read_index()

    @property
    def _index_path(self) -> Path:
        return self.directory / "index.npz"

    @property
    def _data_path(self) -> Path:
        return self.directory / "data.bin"

    def _read_index(self) -> None:
        before = {key: self._positions[key] for key in self._verified}
        self._positions, self._used, self._rows, self._verified = {}, 0, None, set()
        if not self._index_path.is_file():
            return
        try:
            sealed = self._index_path.read_bytes()
        except OSError as error:
            raise DataError(f"feature cache {self.directory} cannot be read: {error}") from error
        try:
            width, dtype, self._positions = _parsed(sealed)
        except UNREADABLE as error:
            if not self._lost:
                problem = "Feature cache %s is damaged (index.npz: %s) and is computed anew."
                logger.warning(problem, self.directory, error)
            self._lost = True
            return
        self._lost = False
        if width != self.width or dtype != self.dtype.name:
            raise DataError(
                f"feature cache {self.directory} holds {dtype} rows of width {width}, not "
                f"{self.dtype.name} rows of width {self.width}; delete the directory to create it again."
            )
        # Rows of damaged arrays are not used again: other processes may read them.
        self._used = max((start + length for start, length, _ in self._positions.values()), default=0)
        rows = self._rows_in_file()
        for key, (start, length, _) in list(self._positions.items()):
            if start + length > rows:
                self._damaged[key] = start
            if self._damaged.get(key) == start:
                del self._positions[key]
        self._verified = {key for key, place in before.items() if self._positions.get(key) == place}

    def _rows_in_file(self) -> int:
        size = self._data_path.stat().st_size if self._data_path.is_file() else 0
        return size // (self.width * self.dtype.itemsize)

    def __len__(self) -> int:
        return len(self._positions)

    def __contains__(self, key: object) -> bool:
        return key in self._positions

    def __getitem__(self, key: bytes) -> np.ndarray:
        """Return the array (n, width) of a key, a read-only view of the file.

        Raises:
            KeyError: If the key is absent.
            DataError: If the array is damaged.
        """
        if key not in self._verified and not self._is_whole(key):
            raise DataError(
                f"feature cache {self.directory} is damaged: an array has another checksum; run the command again, "
                "which computes it anew."
            )
        return self._array(key)

    def _array(self, key: bytes) -> np.ndarray:
        start, length, _ = self._positions[key]
        if self._rows is None:
            # The rows of damaged arrays at the end may be lost.
            rows = min(self._used, self._rows_in_file())
            if rows == 0:
                return np.empty((0, self.width), self.dtype)
            self._rows = np.memmap(self._data_path, self.dtype, mode="r", shape=(rows, self.width))
        return self._rows[start : start + length]

    def _is_whole(self, key: bytes) -> bool:
        expected = self._positions[key][2]
        whole = expected == _UNKNOWN or zlib.crc32(self._array(key).data) == expected
        if whole:
            self._verified.add(key)
        return whole

    def refresh(self) -> None:
        """Read the index again, to see arrays added by other processes."""
        self._read_index()

    def missing(self, keys: Iterable[bytes]) -> list[int]:
        """Return the positions of the keys that are not stored: the first of equal keys, and not :data:`ABSENT_KEY`.

        Arrays that are damaged are not stored; a warning is logged.
        """
        seen: set[bytes] = {ABSENT_KEY}
        absent, damaged = [], 0
        for position, key in enumerate(keys):
            if key in seen or key in self._verified:
                continue
            seen.add(key)
            if key in self._positions:
                if self._is_whole(key):
                    continue
                self._damaged[key] = self._positions.pop(key)[0]
            damaged += key in self._damaged
            absent.append(position)
        if damaged:
            logger.warning(
                "Feature cache %s: %s of its arrays are damaged and are computed anew.", self.directory, f"{damaged:,}"
            )
        return absent

    def add(self, items: Iterable[tuple[bytes, np.ndarray]]) -> None:
        """Append arrays and write them to disk; existing keys are skipped.

        Args:
            items: Pairs of a 16-byte key and an array (n, width).

        Raises:
            ValueError: If an array has another width, or a key has another length.
        """
        with self.writer() as write:
            for key, array in items:
                write(key, array)

    @contextmanager
    def writer(self) -> Iterator[_Writer]:
        """Return a context in which this process can write arrays. They are kept, also if the block raises an error."""
        with file_lock(self.directory / "lock"):
            self._read_index()
            if self._lost:
                # Not truncated: another process may still read it.
                self._data_path.unlink(missing_ok=True)
            self._complete_checksums()
            mode = "r+b" if self._data_path.exists() else "w+b"
            with open(self._data_path, mode) as data:
                row_bytes = self.width * self.dtype.itemsize
                data.truncate(self._used * row_bytes)
                self._lost = False
                data.seek(self._used * row_bytes)
                write = _Writer(self, data)
                try:
                    yield write
                finally:
                    data.flush()
                    os.fsync(data.fileno())
                    self._write_index()

    def _complete_checksums(self) -> None:
        """Compute the checksums of the arrays of an earlier version."""
        for key, (start, length, checksum) in list(self._positions.items()):
            if checksum == _UNKNOWN:
                self._positions[key] = start, length, zlib.crc32(self._array(key).data)
        # The map would hide the rows to come.
        self._rows = None

    def _write_index(self) -> None:
        keys = np.frombuffer(b"".join(self._positions), np.uint8).reshape(-1, KEY_BYTES)
        positions = np.array(list(self._positions.values()), np.int64).reshape(-1, 3)
        content = io.BytesIO()
        np.savez(
            content,
            keys=keys,
            starts=positions[:, 0],
            lengths=positions[:, 1],
            checksums=positions[:, 2],
            width=np.int64(self.width),
            dtype=np.str_(self.dtype.name),
        )
        with atomic_path(self._index_path) as temporary, open(temporary, "wb") as file:
            file.write(_sealed(content.getvalue()))
            file.flush()
            os.fsync(file.fileno())
        self._rows = None


def _sealed(content: bytes) -> bytes:
    return content + _SEAL + hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def _parsed(sealed: bytes) -> tuple[int, str, dict[bytes, tuple[int, int, int]]]:
    """Return width, data type, and first row, number of rows and checksum by key of an index.

    Raises:
        ValueError: If the index is damaged; zipfile and NumPy raise further types.
    """
    content = sealed[: -len(_SEAL) - _DIGEST_BYTES]
    whole = _sealed(content) == sealed
    marked = sealed[len(content) : -_DIGEST_BYTES] == _SEAL
    with np.load(io.BytesIO(content if whole else sealed), allow_pickle=False) as index:
        if not whole and (marked or "checksums" in index):
            raise ValueError("it has another digest")
        width, dtype = int(index["width"]), str(index["dtype"])
        keys, starts, lengths = index["keys"], index["starts"].tolist(), index["lengths"].tolist()
        # Earlier versions wrote none.
        checksums = index["checksums"].tolist() if whole else [_UNKNOWN] * len(keys)
    rows = zip(keys, starts, lengths, checksums, strict=True)
    return width, dtype, {key.tobytes(): (start, length, checksum) for key, start, length, checksum in rows}


def mean_row(store: FeatureStore, key: bytes) -> np.ndarray:
    """Return the row (1, width) of a sample; of several images (:func:`single_keys`) the mean of their rows.

    Raises:
        KeyError: If a key is absent.
    """
    rows = [store[one] for one in single_keys(key)]
    if len(rows) == 1:
        return rows[0]
    mean: np.ndarray = np.concatenate(rows).mean(axis=0, keepdims=True, dtype=np.float32)
    return mean


class _Writer:
    def __init__(self, store: FeatureStore, data: object) -> None:
        self._store = store
        self._data = data

    def __call__(self, key: bytes, array: np.ndarray) -> None:
        store = self._store
        if key in store._positions:
            return
        if len(key) != KEY_BYTES:
            raise ValueError(f"expected a key of {KEY_BYTES} bytes, got {len(key)}.")
        if array.ndim != 2 or array.shape[1] != store.width:
            raise ValueError(f"expected an array (n, {store.width}), got shape {array.shape}.")
        content = np.ascontiguousarray(array, store.dtype).tobytes()
        self._data.write(content)  # type: ignore[attr-defined]
        store._positions[key] = store._used, len(array), zlib.crc32(content)
        store._damaged.pop(key, None)
        store._used += len(array)
