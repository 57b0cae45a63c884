"""What files say, without what differs from one undisturbed run to the next: times, memory, places."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

# Records of the work, and pictures.
_UNCOUNTED = re.compile(
    r"(^|/)(cache|checkpoints|logs|locks)(/|$)|\.png$|\.lock$|(^|/)\.?lock$|results\.(csv|parquet)$"
)
_TIMES = re.compile(r"second|runtime|memory|_per_|time|resources|date|host|path|dir$")


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file that counts, by its place in the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not _UNCOUNTED.search(name):
            found[name] = hashlib.sha256(_content(path)).hexdigest()
    return found


def leftovers(folder: Path) -> list[str]:
    """Return temporary files and folders, which the last process should have removed."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return sorted(name for name in names if re.search(r"\.(tmp|old|partial)$", name))


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name == "tokenizer.json":
        # They depend on the last call, not on the tokenizer: a resumed run has its tokens already.
        kept = {key: part for key, part in json.loads(content).items() if key not in ("truncation", "padding")}
        return json.dumps(kept, sort_keys=True).encode()
    if path.suffix == ".json":
        return json.dumps(_timeless(json.loads(content)), sort_keys=True).encode()
    return content


def _timeless(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _timeless(value) for key, value in content.items() if not _TIMES.search(key)}
    return [_timeless(value) for value in content] if isinstance(content, list) else content
