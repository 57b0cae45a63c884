"""Class weightings. A new one is a function here and one line in :data:`clfa.targets.CLASS_WEIGHTS`."""

from __future__ import annotations

import numpy as np

from clfa.targets.problem_type import ProblemType


def balanced(kind: ProblemType, values: np.ndarray) -> tuple[float, ...]:
    """Return weights that give all classes the same influence; see :meth:`ProblemType.balanced_weights`.

    Args:
        kind: The target's problem type.
        values: Labels of the training split (N, ``kind.width``), without missing labels.
    """
    return kind.balanced_weights(values)
