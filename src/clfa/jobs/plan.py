"""Plan file of unfinished work in a folder, and removal of that work."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clfa.errors import Argument, DataError
from clfa.files import write_json
from clfa.jobs.identity import Identity, require_same

PLAN, LOCK = "_plan.json", "_lock"
RECORDS, FAILURES = "records.jsonl", "failures.jsonl"
PART = re.compile(r"part-\d+\.parquet")
_TEMPORARY = re.compile(r"\.(part-\d+\.parquet|_plan\.json|_manifest\.json)\..+\.tmp")
VERSION = 2
_DIGEST = "digest"


def read_plan(folder: Path, output: Path) -> dict[str, Any] | None:
    """Return the plan in a folder, or ``None`` if there is none.

    Raises:
        DataError: If it is damaged or of another version.
    """
    try:
        plan: dict[str, Any] = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        if plan["version"] == VERSION and isinstance(plan["identity"], dict):
            # Earlier versions wrote no digest.
            if plan.pop(_DIGEST, None) in (None, _digest(plan)):
                return plan
            problem = "damaged (it has another digest)"
        else:
            problem = "of another version of clfa"
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        problem = f"damaged ({error!r})"
    raise DataError(
        f"{folder / PLAN}, the record of unfinished work, is {problem}. To discard that work and begin anew, give ",
        Argument("restart", True),
        f"; to keep it, give another {output.name} as ",
        Argument("output"),
        ".",
    )


def write_plan(folder: Path, identity: Identity, progress: Mapping[str, Any]) -> None:
    """Write the plan, atomically.

    Args:
        folder: Folder of the work.
        identity: Identity of the job.
        progress: Further values to write.
    """
    plan = {"version": VERSION, **progress, "identity": identity}
    write_json(folder / PLAN, {**plan, _DIGEST: _digest(plan)})


def _digest(plan: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(plan, sort_keys=True).encode(), digest_size=16).hexdigest()


def take_over(folder: Path, identity: Identity, output: Path, restart: bool) -> dict[str, Any] | None:
    """Return the plan of unfinished work in a folder, or remove work without progress and return ``None``.

    Args:
        folder: Folder of the work.
        identity: Identity of the current job.
        output: Output path, for messages.
        restart: Whether to discard unfinished work.

    Raises:
        DataError: If the work is damaged or has another identity.
    """
    plan = None if restart else read_plan(folder, output)
    # A plan without progress is replaced, whatever its identity.
    if plan is None or not ("bytes" in plan or any(PART.fullmatch(name) for name in os.listdir(folder))):
        remove_work(folder)
        return None
    require_same(plan["identity"], identity, output)
    return plan


def remove_work(folder: Path) -> None:
    """Remove all work from a folder, in an order that leaves consistent work if the process is killed."""
    if not folder.is_dir():
        return
    remove_temporary_parts(folder)
    for path in list(folder.iterdir()):
        if PART.fullmatch(path.name):
            path.unlink(missing_ok=True)
    # Remove the plan after the parts, whose identity it holds, and before the lines, whose size it holds.
    for name in (PLAN, RECORDS, FAILURES):
        (folder / name).unlink(missing_ok=True)


def remove_temporary_parts(folder: Path) -> None:
    """Remove the temporary files of killed processes from a folder."""
    for path in list(folder.iterdir()):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def foreign_names(folder: Path) -> list[str]:
    """Return the names in a folder that do not belong to a job."""
    known = {PLAN, LOCK, RECORDS, FAILURES}
    names = sorted(path.name for path in folder.iterdir())
    return [name for name in names if name not in known and not PART.fullmatch(name) and not _TEMPORARY.fullmatch(name)]
