"""Compare two recordings of ``record.py``: list every difference, exit with 1 where there is one.

    python tests/golden/compare.py A/golden.json B/golden.json [--allow-added]

A is the reference. Where the files themselves still lie beside both recordings, the size of a difference is told.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


def differences(first: dict[str, Any], second: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every difference of two recordings.

    Args:
        first: The reference, as ``golden.json`` has it.
        second: The other one.

    Yields:
        Kind (``gone``, ``added`` or ``changed``), file, and what differs.
    """
    yield from _compared("facts", first["facts"], second["facts"])
    for name in sorted(first["files"].keys() | second["files"].keys()):
        if name not in second["files"]:
            yield "gone", name, "the whole file"
        elif name not in first["files"]:
            yield "added", name, "the whole file"
        else:
            yield from _compared(name, _flat(first["files"][name]), _flat(second["files"][name]))


def _flat(described: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in described.items():
        if isinstance(value, dict):
            flat.update({f"{key} {name}": leaf for name, leaf in value.items()})
        else:
            flat[key] = value
    return flat


def _compared(name: str, first: dict[str, Any], second: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, value in first.items():
        if key not in second:
            yield "gone", name, f"{key} = {value!r}"
        # Not `!=`: 1 and True, 1 and 1.0 differ, NaN equals itself.
        elif json.dumps(value, sort_keys=True) != json.dumps(second[key], sort_keys=True):
            yield "changed", name, f"{key}: {value!r} -> {second[key]!r}"
    for key, value in second.items():
        if key not in first:
            yield "added", name, f"{key} = {value!r}"


def _distance(name: str, what: str, folders: tuple[Path, Path]) -> str:
    """How far apart two tensors are, or the first line that differs; empty where the files are gone."""
    paths = [folder / name for folder in folders]
    if not all(path.is_file() for path in paths):
        return ""
    kind, _, key = what.partition(":")[0].partition(" ")
    if kind == "tensors" and paths[0].suffix == ".safetensors":
        from safetensors.numpy import load_file

        a, b = (load_file(path)[key].astype(np.float64) for path in paths)
        return "" if a.shape != b.shape else f" (largest difference {np.abs(a - b).max():.3g})"
    if kind == "bytes" and paths[0].suffix in (".jsonl", ".csv"):
        lines = [path.read_text(encoding="utf-8").splitlines() for path in paths]
        for number, (one, other) in enumerate(zip(*lines, strict=False), start=1):
            if one != other:
                return f"\n          line {number}: {one[:300]}\n               -> {other[:300]}"
    return ""


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="golden.json of the reference")
    parser.add_argument("second", type=Path, help="golden.json to compare with it")
    parser.add_argument(
        "--allow-added", action="store_true", help="files and keys that only the second has are listed, and no failure"
    )
    options = parser.parse_args()
    first, second = (json.loads(path.read_text(encoding="utf-8")) for path in (options.first, options.second))
    if first["machine"] != second["machine"]:
        print(f"recorded on different machines or releases: {first['machine']} and {second['machine']}")
    for name in sorted(first["seconds"].keys() ^ second["seconds"].keys()):
        print(f"not compared, recorded in one of the two only: {name}")
        for content in (first, second):
            content["facts"] = {key: fact for key, fact in content["facts"].items() if not key.startswith(f"{name}: ")}
            content["files"] = {
                path: found
                for path, found in content["files"].items()
                if not path.startswith((f"{name}/", f"cache/{name}/"))
            }
    counts = {"changed": 0, "gone": 0, "added": 0}
    for kind, name, what in differences(first, second):
        counts[kind] += 1
        distance = _distance(name, what, (options.first.parent, options.second.parent)) if kind == "changed" else ""
        print(f"{kind:8}  {name}  {what}{distance}")
    tensors = sum(len(found.get("tensors", ())) for found in first["files"].values())
    summary = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    print(f"{len(first['files'])} files with {tensors} tensors compared: {summary}")
    failed = counts["changed"] + counts["gone"] + (0 if options.allow_added else counts["added"])
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
