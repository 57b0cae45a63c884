"""Feature store: a cache of feature arrays on disk by content key, read through a memory map."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from clfa.errors import DataError
from clfa.locks import file_lock

KEY_BYTES = 16
# Key of missing content: a sample without text or image. It is never stored.
ABSENT_KEY = b""


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

    Args:
        directory: Created if absent. One directory per source of features (encoder and preprocessing).
        width: Row width.
        dtype: Data type on disk; ``float16`` halves the size of token features.

    Raises:
        DataError: If the directory contains a store of another width or data type, or a damaged store.

    Example:
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
        self._positions: dict[bytes, tuple[int, int]] = {}
        self._used = 0
        self._read_index()

    @property
    def _index_path(self) -> Path:
        return self.directory / "index.npz"

    @property
    def _data_path(self) -> Path:
        return self.directory / "data.bin"

    def _read_index(self) -> None:
        self._positions, self._used, self._rows = {}, 0, None
        if not self._index_path.is_file():
            return
        try:
            with np.load(self._index_path, allow_pickle=False) as index:
                width, dtype = int(index["width"]), str(index["dtype"])
                keys, starts, lengths = index["keys"], index["starts"].tolist(), index["lengths"].tolist()
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise self._damaged(f"index.npz cannot be read ({error})") from error
        if width != self.width or dtype != self.dtype.name:
            raise DataError(
                f"feature cache {self.directory} holds {dtype} rows of width {width}, not "
                f"{self.dtype.name} rows of width {self.width}; delete the directory to create it again."
            )
        self._positions = {
            key.tobytes(): (start, length) for key, start, length in zip(keys, starts, lengths, strict=True)
        }
        self._used = max((start + length for start, length in self._positions.values()), default=0)
        present = self._data_path.stat().st_size if self._data_path.is_file() else 0
        if present < self._used * self.width * self.dtype.itemsize:
            raise self._damaged(f"data.bin lacks rows of the index ({present} bytes)")

    def _damaged(self, what: str) -> DataError:
        return DataError(f"feature cache {self.directory} is damaged: {what}; delete the directory to create it again.")

    def __len__(self) -> int:
        return len(self._positions)

    def __contains__(self, key: object) -> bool:
        return key in self._positions

    def __getitem__(self, key: bytes) -> np.ndarray:
        """Return the array (n, width) of a key, a read-only view of the file.

        Raises:
            KeyError: If the key is absent.
        """
        start, length = self._positions[key]
        if self._rows is None:
            if self._used == 0:
                return np.empty((0, self.width), self.dtype)
            self._rows = np.memmap(self._data_path, self.dtype, mode="r", shape=(self._used, self.width))
        return self._rows[start : start + length]

    def refresh(self) -> None:
        """Read the index again, to see arrays added by other processes."""
        self._read_index()

    def missing(self, keys: Iterable[bytes]) -> list[int]:
        """Return the positions of the keys that are not stored: the first of equal keys, and not :data:`ABSENT_KEY`."""
        seen: set[bytes] = {ABSENT_KEY}
        absent = []
        for position, key in enumerate(keys):
            if key not in self._positions and key not in seen:
                seen.add(key)
                absent.append(position)
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
            mode = "r+b" if self._data_path.exists() else "w+b"
            with open(self._data_path, mode) as data:
                row_bytes = self.width * self.dtype.itemsize
                data.truncate(self._used * row_bytes)
                data.seek(self._used * row_bytes)
                write = _Writer(self, data)
                try:
                    yield write
                finally:
                    data.flush()
                    os.fsync(data.fileno())
                    self._write_index()

    def _write_index(self) -> None:
        keys = np.frombuffer(b"".join(self._positions), np.uint8).reshape(-1, KEY_BYTES)
        positions = np.array(list(self._positions.values()), np.int64).reshape(-1, 2)
        handle, temporary = tempfile.mkstemp(dir=self.directory, suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                keys=keys,
                starts=positions[:, 0],
                lengths=positions[:, 1],
                width=np.int64(self.width),
                dtype=np.str_(self.dtype.name),
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._index_path)
        self._rows = None


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
        self._data.write(np.ascontiguousarray(array, store.dtype).tobytes())  # type: ignore[attr-defined]
        store._positions[key] = (store._used, len(array))
        store._used += len(array)
