"""Posts that are sorted by length together, each different one once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

from clfa.prediction.post import Post, Prediction
from clfa.targets.rules import Rules


@dataclass
class Window:
    """Different posts that are sorted by length together, and their predictions so far.

    Args:
        posts: The posts.
        places: For each post of the caller, the position of its equal.
        results: Predictions of ``posts``.
        rules: See :meth:`clfa.prediction.post_classifier.PostClassifier.stream`.
        batches: Number of batches without predictions.
    """

    posts: Sequence[Post]
    places: Sequence[int]
    results: list[Prediction | None]
    rules: Rules | None = None
    batches: int = 0

    @cached_property
    def times(self) -> Counter[int]:
        """How often each post occurs."""
        return Counter(self.places)

    def whole(self) -> Iterator[Prediction]:
        """Yield the prediction of each post of the caller."""
        seen = set()
        for place in self.places:
            found = self.results[place]
            assert found is not None
            # Nobody who changes the prediction of one row should change that of another.
            yield deepcopy(found) if place in seen else found
            seen.add(place)
