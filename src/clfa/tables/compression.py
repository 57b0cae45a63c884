"""Files as bytes: local or at an fsspec address, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import IO, Any

from clfa.errors import DataError
from clfa.tables.paths import is_address

BUFFER = 1 << 20


def _zstandard(file: IO[bytes]) -> Any:
    import pyarrow as pa

    return io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd"), BUFFER)


# Suffix -> what reads the file's content from the file.
COMPRESSIONS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zstandard,
}


def compression_of(path: str) -> str | None:
    """Return the suffix of the compression, ``None`` for a plain file."""
    suffix = PurePosixPath(path.split("::")[0].lower()).suffix
    return suffix if suffix in COMPRESSIONS else None


def open_binary(path: str) -> IO[bytes]:
    """Open a file to read its content, decompressed.

    Raises:
        DataError: When there is no such file, or the address cannot be opened.
    """
    try:
        if is_address(path):
            import fsspec

            file: IO[bytes] = fsspec.open(path, "rb").open()
        else:
            file = open(path, "rb", buffering=BUFFER)  # noqa: SIM115 - for the caller to close
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (ImportError, ValueError) as error:
        raise DataError(f"{path}: this address cannot be opened: {error}") from error
    suffix = compression_of(path)
    return file if suffix is None else COMPRESSIONS[suffix](file)
