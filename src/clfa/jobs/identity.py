"""What must be the same for unfinished work to be gone on with."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clfa.errors import Argument, DataError

# Bytes of each input file's beginning that are part of its identity, with its size and time.
HEAD_BYTES = 1 << 16
# Rows of a shard; ``None`` where one process works row after row.
SHARDS = "the division into shards"

Identity = dict[str, Any]


def make_identity(**parts: Any) -> Identity:
    """Return an identity as it comes back from a JSON file.

    Args:
        parts: What the results depend on, named in words (``**{"the model": ...}``), as JSON values.
    """
    identity: Identity = json.loads(json.dumps(parts))
    return identity


def require_same(before: Mapping[str, Any], now: Identity, output: Path) -> None:
    """Check that unfinished work is of the same identity.

    Args:
        before: Identity of the unfinished work.
        now: Identity of the work to be done.
        output: What is being written.

    Raises:
        DataError: Naming what differs, and the argument that begins anew.
    """
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if not names:
        return
    raise DataError(
        f"{output} is unfinished, and {', '.join(names)} changed since it was begun. To discard that work and begin "
        "anew, give ",
        Argument("restart", True),
        "; to keep it, give another ",
        Argument("output"),
        ".",
    )


def file_facts(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what tells whether files are still the same, without reading them: size, time and their beginning.

    Raises:
        DataError: When one does not exist.
    """
    facts = []
    for path in files:
        try:
            with open(path, "rb") as file:
                head = file.read(HEAD_BYTES)
                status = os.fstat(file.fileno())
        except FileNotFoundError:
            raise DataError(f"input file {path} does not exist.") from None
        digest = hashlib.blake2b(head, digest_size=16).hexdigest()
        facts.append(
            {"path": str(path.absolute()), "bytes": status.st_size, "modified_ns": status.st_mtime_ns, "head": digest}
        )
    return facts
