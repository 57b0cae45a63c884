"""Opening of binary files: local or at an fsspec address, compressed or not."""

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


# Suffix -> function that opens the decompressed content of a file.
COMPRESSIONS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zstandard,
}


def compression_of(path: str) -> str | None:
    """Return the compression suffix of a path, or ``None`` for an uncompressed file."""
    suffix = PurePosixPath(path.split("::")[0].lower()).suffix
    return suffix if suffix in COMPRESSIONS else None


def open_binary(path: str) -> IO[bytes]:
    """Open a file for reading; decompress its content.

    Raises:
        DataError: If the file does not exist, or the address cannot be opened.
    """
    try:
        if is_address(path):
            import fsspec

            file: IO[bytes] = fsspec.open(path, "rb").open()
        else:
            file = open(path, "rb", buffering=BUFFER)  # noqa: SIM115 - the caller closes it
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (ImportError, ValueError) as error:
        raise DataError(f"{path}: this address cannot be opened: {error}") from error
    suffix = compression_of(path)
    return file if suffix is None else COMPRESSIONS[suffix](file)
