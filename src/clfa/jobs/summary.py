"""Summary of a job: counts of rows, classes and failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Maximum number of failed rows listed in a summary.
MAX_EXAMPLES = 10


@dataclass
class Summary:
    """Counts of a piece of a table, or of the whole table.

    Args:
        rows: Number of finished rows.
        labels: Number of results by class, if results have classes; by ``target: class`` for several targets.
        failures: Number of rows without a result, by reason.
        examples: The first failures, as ``row N (id ID): reason``; preceded by the file name if there are
            several files.
        resumed: Number of these rows that an earlier, interrupted run finished.
        seconds: Duration of this run in seconds, without loading the model; of a piece, that of its work, 0 if it
            was done before.
        lost: Number of times a shard was lost with its worker and given to another.
    """

    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    resumed: int = 0
    seconds: float = 0.0
    lost: int = 0

    @property
    def rows_per_second(self) -> float:
        """Rows per second of this run; rows of earlier runs are not counted."""
        return (self.rows - self.resumed) / self.seconds if self.seconds else 0.0

    def fail(self, reason: str, example: str) -> None:
        """Count a row without a result."""
        self.failures[reason] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(example)

    def add(self, other: Summary) -> None:
        """Add the counts of another summary."""
        self.rows += other.rows
        self.labels.update(other.labels)
        self.failures.update(other.failures)
        self.examples = [*self.examples, *other.examples][:MAX_EXAMPLES]

    def to_dict(self) -> dict[str, Any]:
        """Return the counts that do not depend on the run, as JSON values."""
        # dataclasses.asdict does not copy Counter correctly.
        counts = {"labels": dict(self.labels), "failures": dict(self.failures)}
        return {"rows": self.rows, **counts, "examples": self.examples}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Summary:
        """Return a summary from the result of :meth:`to_dict`, with the ``seconds`` if they were added to it."""
        labels, failures = Counter(content["labels"]), Counter(content["failures"])
        seconds = content.get("seconds", 0.0)
        return cls(content["rows"], labels, failures, list(content["examples"]), seconds=seconds)
