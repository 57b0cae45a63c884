"""What must be the same for unfinished work to be gone on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clfa.errors import Argument, DataError

# Bytes of an input file's beginning that are part of its identity.
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
    """Return what tells whether files are still the same, without reading them: size and time.

    Of a file alone also its beginning; of a hundred thousand that would be a walk through the network.

    Raises:
        DataError: When one does not exist.
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
