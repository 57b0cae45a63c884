"""An explanation of a prediction on one post."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Smaller changes of a probability would look like reasons, and are none.
LEAST = 0.005


@dataclass(frozen=True)
class WordScore:
    """A word of the text.

    Args:
        text: The word.
        start: Position of its first character in the text.
        score: How much it spoke for the answer; negative against it.
    """

    text: str
    start: int
    score: float


@dataclass(frozen=True)
class Attribution:
    """How much each part of a post spoke for the answer; negative against it.

    Args:
        words: One score for each word of :attr:`clfa.explaining.probe.Probe.words`; ``None`` for a model without text.
        regions: Rows of scores over the picture as the model sees it, from the top; ``None`` without a picture, and for
            posts with several.
    """

    words: list[float] | None = None
    regions: list[list[float]] | None = None


@dataclass(frozen=True)
class Without:
    """The answer without the text or without the picture.

    Args:
        value: The prediction.
        score: Probability of the explained class then, or the number.
        how: ``withheld``, for a model that allows it to be missing; else what stood in its place.
    """

    value: Any
    score: float
    how: str


@dataclass(frozen=True)
class Neighbour:
    """A training post that is near in the aligned space.

    Args:
        id: Its id.
        label: Its label, as JSON values.
        similarity: Cosine.
    """

    id: str
    label: Any
    similarity: float


@dataclass(frozen=True)
class Explanation:
    """What decided the prediction on one post.

    Args:
        target: The explained target.
        value: Its prediction.
        label: The explained class; ``None`` for a number.
        score: Probability of this class, or the number.
        method: Name in :data:`clfa.explaining.METHODS`.
        text: The text as the model reads it.
        words: Its words with their scores.
        words_left_out: Number of further words that were not scored.
        regions: See :class:`Attribution`.
        without: Answers without ``text`` and without ``image``, where the model reads both.
        neighbours: The nearest training posts, the nearest first, if an index was given.
        error: Why there is no explanation; all else is empty then.
    """

    target: str = ""
    value: Any = None
    label: str | None = None
    score: float = float("nan")
    method: str = ""
    text: str = ""
    words: list[WordScore] = field(default_factory=list)
    words_left_out: int = 0
    regions: list[list[float]] | None = None
    without: dict[str, Without] = field(default_factory=dict)
    neighbours: list[Neighbour] = field(default_factory=list)
    error: str | None = None

    @property
    def least(self) -> float:
        """The smallest score that is shown as a reason: half a point of probability; for a number any."""
        return 1e-9 if self.label is None else LEAST

    def to_dict(self, digits: int = 6) -> dict[str, Any]:
        """Return JSON values; for a post without an explanation only ``error``."""
        if self.error is not None:
            return {"error": self.error}
        return {
            "target": self.target,
            "prediction": self.value,
            "label": self.label,
            "score": round(self.score, digits),
            "method": self.method,
            "words": [{"text": w.text, "start": w.start, "score": round(w.score, digits)} for w in self.words],
            "words_left_out": self.words_left_out,
            "regions": None if self.regions is None else [[round(s, digits) for s in row] for row in self.regions],
            "without": {
                name: {"prediction": one.value, "score": round(one.score, digits), "how": one.how}
                for name, one in self.without.items()
            },
            "neighbours": [
                {"id": one.id, "label": one.label, "similarity": round(one.similarity, digits)}
                for one in self.neighbours
            ],
        }
