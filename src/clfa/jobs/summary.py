"""Counts over the rows of a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Failed rows that a summary quotes.
MAX_EXAMPLES = 10


@dataclass
class Summary:
    """Counts over a piece of a table or over all of it.

    Args:
        rows: Rows finished.
        labels: Results by class, where results have classes; ``target: class`` where there are several targets.
        failures: Rows without a result by reason.
        examples: The first failures, as ``row N (id ID): reason``, after the file's name where there are several files.
        resumed: Rows of ``rows`` that an earlier, interrupted run had finished.
        seconds: Time this run took, without loading the model.
        lost: How often a shard was lost with its worker and given to another.
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
        """Speed of this run, without the rows of an earlier one."""
        return (self.rows - self.resumed) / self.seconds if self.seconds else 0.0

    def fail(self, reason: str, example: str) -> None:
        """Count a row without a result."""
        self.failures[reason] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(example)

    def add(self, other: Summary) -> None:
        """Count ``other`` in."""
        self.rows += other.rows
        self.labels.update(other.labels)
        self.failures.update(other.failures)
        self.examples = [*self.examples, *other.examples][:MAX_EXAMPLES]

    def to_dict(self) -> dict[str, Any]:
        """Return what is true of the rows, whoever finished them, as JSON values."""
        # Not dataclasses.asdict, which makes counters of counters' items.
        counts = {"labels": dict(self.labels), "failures": dict(self.failures)}
        return {"rows": self.rows, **counts, "examples": self.examples}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Summary:
        """Return the counts that :meth:`to_dict` gave."""
        labels, failures = Counter(content["labels"]), Counter(content["failures"])
        return cls(content["rows"], labels, failures, list(content["examples"]))
