"""What a long prediction has finished, kept beside its output so that a killed one goes on where it stopped."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from clfa.errors import DataError
from clfa.files import write_json

VERSION = 1
PARTIAL, PROGRESS = ".partial", ".progress.json"
# Bytes of the input's beginning that are part of its identity, with its size and time.
HEAD_BYTES = 1 << 20
# Failed rows that a summary quotes.
MAX_EXAMPLES = 10


@dataclass
class PredictionSummary:
    """Counts over a file.

    Args:
        rows: Rows read.
        labels: Predictions by class; ``target: class`` where there are several targets.
        failures: Failed rows by reason.
        examples: The first failures, as ``row N (id): reason``.
        resumed: Rows of ``rows`` that an earlier, interrupted run had finished.
        seconds: Time this run took, without loading the model.
    """

    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    resumed: int = 0
    seconds: float = 0.0

    @property
    def rows_per_second(self) -> float:
        """Of this run, without the rows of an earlier one."""
        return (self.rows - self.resumed) / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The counts, for JSON."""
        # asdict() would make a Counter of pairs.
        return {name: getattr(self, name) for name in ("rows", "labels", "failures", "examples")}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> PredictionSummary:
        """What :meth:`to_dict` gave, as the counts of an earlier run."""
        labels, failures = Counter(saved["labels"]), Counter(saved["failures"])
        return cls(saved["rows"], labels, failures, list(saved["examples"]), resumed=saved["rows"])

    def add(self, other: PredictionSummary, name: str) -> None:
        """Count another file's, called ``name`` in the examples."""
        self.rows += other.rows
        self.labels.update(other.labels)
        self.failures.update(other.failures)
        room = max(0, MAX_EXAMPLES - len(self.examples))
        self.examples += [f"{name} {example}" for example in other.examples[:room]]
        self.resumed += other.resumed
        self.seconds += other.seconds


class PredictionJournal:
    """Lines written so far to ``OUTPUT.partial``, and in ``OUTPUT.progress.json`` how many of them count.

    Lines are appended first and the progress is replaced atomically afterwards. Whenever the process is killed, what
    the progress does not name is cut off by the next run, so that every row is written exactly once, in order.

    Args:
        output: Final name of the predictions; its folder is made if absent.
        failures: Final name of the list of failures, or ``None`` for none.
        identity: What must be the same for the work to go on: input, model, columns.
        resume: Go on with what an interrupted run left, if it left anything; otherwise begin anew.

    Raises:
        DataError: When another process is at the same output, or what is to be resumed is of another identity or
            cannot be read.
    """

    def __init__(self, output: Path, failures: Path | None, identity: Mapping[str, Any], resume: bool) -> None:
        self.output, self.failures = output, failures
        self.identity = dict(identity)
        self.progress = beside(output, PROGRESS)
        self.summary = PredictionSummary()
        output.parent.mkdir(parents=True, exist_ok=True)
        self.finished = False
        self._files: dict[str, IO[bytes]] = {}
        self._sizes: dict[str, int] = {}
        try:
            self._open("output", output)
            if not (resume and self._read()):
                # First, so that a kill in between cannot leave the old progress beside new lines.
                self.progress.unlink(missing_ok=True)
            if failures is not None:
                failures.parent.mkdir(parents=True, exist_ok=True)
                self._open("failures", failures)
            if not self.finished:
                for name, file in self._files.items():
                    file.truncate(self._sizes.get(name, 0))
                    file.seek(0, os.SEEK_END)
        except BaseException:
            self.close()
            raise

    @property
    def partial(self) -> Path:
        """The lines so far."""
        return beside(self.output, PARTIAL)

    def write(self, line: str) -> None:
        """Append a line to the predictions."""
        self._files["output"].write(line.encode("utf-8"))

    def write_failure(self, line: str) -> None:
        """Append a line to the list of failures, if one is kept."""
        if "failures" in self._files:
            self._files["failures"].write(line.encode("utf-8"))

    def commit(self, finished: bool = False) -> None:
        """Make everything so far count.

        Args:
            finished: No more lines come.
        """
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        if not self.finished:
            self._sizes = {name: file.tell() for name, file in self._files.items()}
        self.finished = finished or self.finished
        state = {"finished": self.finished, "bytes": self._sizes, "summary": self.summary.to_dict()}
        write_json(self.progress, {"version": VERSION, **state, "identity": self.identity})

    def finish(self, convert: Callable[[Path, Path], None] | None = None) -> None:
        """Give everything its final name. A kill at any moment leaves work that can be resumed.

        Args:
            convert: Makes the output from the lines, whole or not at all; otherwise the lines are the output.
        """
        self.commit(finished=True)
        if self.failures is not None:
            self._rename("failures", self.failures)
        if convert is not None:
            convert(self.partial, self.output)
        else:
            self._rename("output", self.output)
        self.discard()

    def discard(self) -> None:
        """Leave nothing of the work."""
        self.progress.unlink(missing_ok=True)
        self.partial.unlink(missing_ok=True)
        if self.failures is not None:
            beside(self.failures, PARTIAL).unlink(missing_ok=True)
        # What a kill in the middle of an atomic write left; nobody else writes these while this holds the lock.
        for name in (self.progress.name, self.output.name):
            for path in self.output.parent.glob(f".{glob.escape(name)}.*.tmp"):
                path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the files; they stay for a later run."""
        for file in self._files.values():
            file.close()

    def _open(self, name: str, path: Path) -> None:
        # Appending mode opens without cutting: the file may be another process's.
        file = open(beside(path, PARTIAL), "ab")  # noqa: SIM115 - closed by close()
        self._files[name] = file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(
                f"{path} is being written by another process; wait for it, or give another name."
            ) from error

    def _rename(self, name: str, path: Path) -> None:
        partial = beside(path, PARTIAL)
        # An earlier run may have come as far as this; the partial file is then a new and empty one.
        if partial.stat().st_size == self._sizes[name]:
            os.replace(partial, path)

    def _read(self) -> bool:
        """Take over what an earlier run left; whether it left anything."""
        try:
            content = json.loads(self.progress.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False
        except ValueError as error:
            raise DataError(f"{self.progress} is damaged ({error}); run again without --resume.") from error
        found = content.get("identity", {}) if content.get("version") == VERSION else {}
        # Through JSON, as the saved one went.
        wanted = json.loads(json.dumps(self.identity))
        changed = [name for name in wanted if found.get(name) != wanted[name]]
        if changed:
            raise DataError(
                f"cannot resume {self.output}: {', '.join(changed)} changed since {self.progress.name} was written. "
                "Run again without --resume to begin anew."
            )
        self._sizes, self.finished = content["bytes"], content["finished"]
        partials = {"output": self.partial}
        if self.failures is not None:
            partials["failures"] = beside(self.failures, PARTIAL)
        short = [name for name, path in partials.items() if _size(path) < self._sizes[name]]
        if short and not self.finished:
            raise DataError(
                f"cannot resume {self.output}: its partial {short[0]} file is shorter than {self.progress.name} says. "
                "Run again without --resume to begin anew."
            )
        self.summary = PredictionSummary.from_dict(content["summary"])
        return True


def beside(path: Path, suffix: str) -> Path:
    """The file of that suffix beside ``path``."""
    return path.with_name(path.name + suffix)


def file_identity(path: Path) -> dict[str, Any]:
    """What tells whether a file is still the same, without reading it all: size, time and a digest of its beginning.

    Raises:
        DataError: When it does not exist.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
            status = os.fstat(file.fileno())
    except FileNotFoundError:
        raise DataError(f"input file {path} does not exist.") from None
    digest = hashlib.blake2b(head, digest_size=16).hexdigest()
    return {"bytes": status.st_size, "modified": status.st_mtime_ns, "head": digest}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
