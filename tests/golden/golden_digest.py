"""What a recording keeps of each file: digests of tensors and texts, the leaves of JSON documents.

The working directory is the recorded folder; its name is removed from paths in texts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

# Not results: durations, memory, versions of libraries, times of files.
LEFT_OUT_KEYS = {"resources", "versions", "transformers_version", "total_flos", "modified", "modified_ns"}
LEFT_OUT_PARTS = ("runtime", "per_second", "seconds")
# Checkpoints hold what the model and the history hold, and TensorBoard's logs have times in them.
LEFT_OUT_FOLDERS = {"checkpoints", "images"}
# The first names times of change, the last two durations.
LEFT_OUT_FILES = {"decoded-images.json", "golden.json", "results.csv", "results.parquet"}
# Written by tokenizers and large; nobody wants to see its leaves.
AS_BYTES = {"tokenizer.json", "vocab.json"}


def digest(*parts: bytes) -> str:
    """Shortened hexadecimal sha256 of the parts, one after the other."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()[:24]


def describe_file(path: Path) -> dict[str, Any] | None:
    """What is kept of a file, by its kind; ``None`` for files that are no result (pictures, logs, locks)."""
    if path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        return {"tensors": _arrays(load_file(path))}
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as content:
            return {"tensors": _arrays(dict(content))}
    if path.suffix == ".npy":
        return {"tensors": _arrays({"array": np.load(path, allow_pickle=False)})}
    if path.suffix == ".parquet":
        return _parquet(path)
    if path.name in AS_BYTES or path.suffix in (".bin", ".txt"):
        return {"bytes": digest(path.read_bytes())}
    if path.suffix == ".json":
        return {"values": dict(_leaves(json.loads(path.read_text(encoding="utf-8"))))}
    if path.suffix == ".yaml":
        import yaml

        return {"values": dict(_leaves(yaml.safe_load(path.read_text(encoding="utf-8"))))}
    if path.suffix in (".jsonl", ".csv"):
        content = path.read_bytes().replace(f"{Path.cwd()}/".encode(), b"")
        return {"lines": content.count(b"\n"), "bytes": digest(content)}
    return None


def describe_folder(folder: Path) -> dict[str, Any]:
    """:func:`describe_file` of everything below a folder, by relative name."""
    files: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        left_out = path.name in LEFT_OUT_FILES or path.name.startswith(".") or LEFT_OUT_FOLDERS & set(name.parts)
        if left_out or not path.is_file():
            continue
        found = describe_file(path)
        if found is not None:
            files[name.as_posix()] = found
    return files


def _arrays(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    return {
        name: f"{array.dtype.name} {list(array.shape)} {digest(np.ascontiguousarray(array).tobytes())}"
        for name, array in sorted(arrays.items())
    }


def _parquet(path: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    columns = {field.name: str(field.type) for field in table.schema}
    rows = json.dumps(table.to_pylist(), ensure_ascii=True, default=str).replace(f"{Path.cwd()}/", "")
    return {"lines": table.num_rows, "values": columns, "bytes": digest(rows.encode())}


def _leaves(content: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, dict | list) and content:
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in items:
            name = str(key)
            if name in LEFT_OUT_KEYS or any(part in name for part in LEFT_OUT_PARTS):
                continue
            yield from _leaves(value, f"{place}.{name}" if place else name)
    else:
        yield place, content.replace(f"{Path.cwd()}/", "") if isinstance(content, str) else content
