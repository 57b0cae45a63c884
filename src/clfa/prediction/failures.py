"""Report of the posts of a table that cannot be predicted on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

from clfa.errors import Argument, DataError
from clfa.prediction.post import Prediction

logger = logging.getLogger(__name__)

OnErrors = Literal["warn", "raise"]
# Number of failed rows in the message.
_SHOWN = 3


def report_failures(predictions: Sequence[Prediction], errors: OnErrors) -> None:
    """Log one warning about the failed posts, or raise an error; with their counts and the first of them.

    Args:
        predictions: Predictions of the rows of a table, in order.
        errors: ``warn`` or ``raise``.

    Raises:
        DataError: If ``errors`` is ``raise`` and a post failed, or ``errors`` is another word.
    """
    if errors not in get_args(OnErrors):
        raise DataError(Argument("errors"), f" is {errors!r}; choose one of {', '.join(get_args(OnErrors))}.")
    failed = [(number, p) for number, p in enumerate(predictions, start=1) if p.error is not None]
    if not failed:
        return
    reasons = Counter(prediction.reason or prediction.error for _, prediction in failed)
    counts = ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common())
    first = "; ".join(f"row {number}: {prediction.error}" for number, prediction in failed[:_SHOWN])
    problem = f"{len(failed)} of {len(predictions)} posts have no prediction ({counts}). The first: {first}"
    if errors == "raise":
        raise DataError(problem)
    logger.warning("%s", problem)
