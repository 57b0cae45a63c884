"""Identity of a job: the values that must be equal for a job to resume unfinished work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clfa.errors import Argument, DataError

# Number of leading bytes of an input file that are part of its identity.
HEAD_BYTES = 1 << 16
# Key of the number of rows per shard; its value is ``None`` if one process works in row order.
SHARDS = "the division into shards"

Identity = dict[str, Any]


def make_identity(**parts: Any) -> Identity:
    """Return an identity, in the form that is read back from a JSON file.

    Args:
        parts: Values that the results depend on, as JSON values; names appear in messages (``**{"the model": ...}``).
    """
    identity: Identity = json.loads(json.dumps(parts))
    return identity


def require_same(before: Mapping[str, Any], now: Identity, output: Path) -> None:
    """Check that unfinished work has the same identity.

    Args:
        before: Identity of the unfinished work.
        now: Identity of the current job.
        output: Output path, for messages.

    Raises:
        DataError: If they differ. The message names the differences and the argument that restarts the work.
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
    """Return the path, size and modification time of each file, to detect changes without reading files.

    A single file also gets a hash of its first bytes. Many files do not: opening each over a network is slow.

    Raises:
        DataError: If a file does not exist.
    """
    facts: list[dict[str, Any]] = []
    try:
        for path in files:
            status = path.stat()
            facts.append({"path": str(path.absolute()), "bytes": status.st_size, "modified_ns": status.st_mtime_ns})
        if len(files) == 1:
            with open(files[0], "rb") as file:
                facts[0]["head"] = hashlib.blake2b(file.read(HEAD_BYTES), digest_size=16).hexdigest()
    except FileNotFoundError as error:
        raise DataError(f"input file {error.filename} does not exist.") from None
    return facts
