"""What a kind of trials found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# Faults that are listed one by one; all are counted.
LISTED = 20


@dataclass
class Tally:
    """Counts of trials.

    Args:
        kind: Name of the kind.
        seed: Seed of its random numbers.
        trials: Number of trials.
        outcomes: Number of trials by what came of them.
        faults: Number of trials that did not end as they should.
        listed: The first faults: number of the trial and what happened.
        slowest: Seconds of the longest trial, or of its longest step.
        peak_mb: Largest memory: that of the process, or where many inputs share one, what it grew by.
        seconds: Duration of all.
    """

    kind: str
    seed: int
    trials: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    listed: list[str] = field(default_factory=list)
    slowest: float = 0.0
    peak_mb: float = 0.0
    seconds: float = 0.0

    def note(self, outcome: str, seconds: float = 0.0, peak_mb: float = 0.0) -> None:
        """Count a trial that ended as it should."""
        self.trials += 1
        self.outcomes[outcome] += 1
        self.slowest, self.peak_mb = max(self.slowest, seconds), max(self.peak_mb, peak_mb)

    def fault(self, number: int, what: str, outcome: str = "fault") -> None:
        """Count a trial that did not; ``python -m torture KIND --seed SEED --only NUMBER`` repeats it."""
        self.note(outcome)
        self.faults += 1
        if len(self.listed) < LISTED:
            self.listed.append(f"{number}: {what}")

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {**vars(self), "outcomes": dict(sorted(self.outcomes.items()))}
