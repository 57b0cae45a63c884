"""Conversion of labels in tables (names, numbers, class indices) to class indices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from clfa.errors import Argument, DataError

_MOST_CLASSES = 1000


class LabelIndex:
    """Class index of each value in a label column.

    Args:
        values: All labels of the data set; read only if neither of the other arguments defines the classes.
        names: Class names in index order, given by the user.
        class_names: Class names declared by the file (``datasets.ClassLabel``); its values are their indices.

    Raises:
        DataError: If there are no labels, or too many different labels to be classes.
    """

    def __init__(
        self, values: Iterable[Any], names: Sequence[str] | None = None, class_names: Sequence[str] | None = None
    ) -> None:
        self._class_names = list(class_names) if class_names is not None else None
        if names is not None:
            self.names = list(names)
            if self._class_names and len(names) == len(self._class_names) and not set(names) & set(self._class_names):
                self._class_names = self.names  # The user renames the declared classes.
            self._whole_numbers = True
        elif self._class_names is not None:
            self.names = list(self._class_names)
            self._whole_numbers = True
        else:
            self.names = sorted({text for text in map(_as_text, values) if text}, key=_natural)
            # Numbers are class names here: -1, 0, 1 are three classes, not indices.
            self._whole_numbers = False
        if not self.names:
            raise DataError("the data have no labels, and label_names is not given; name the classes with label_names")
        if len(self.names) > _MOST_CLASSES:
            raise DataError(
                f"the label column has {len(self.names):,} different values, for instance {self.names[0]!r}; "
                "it is probably the wrong column. Choose another with ",
                Argument("label", ...),
                ", or give label_names",
            )
        self._index = {name: index for index, name in enumerate(self.names)}
        self._folded = {name.strip().casefold(): index for index, name in enumerate(self.names)}

    def of(self, value: Any) -> int | None:
        """Return the class index of ``value``; ``None`` for a missing label (empty, NaN, ``-1`` of a ``ClassLabel``).

        Raises:
            KeyError: If ``value`` is not one of the classes.
        """
        text = _as_text(value)
        if not text:
            return None
        if self._class_names is not None and isinstance(value, int):
            if value == -1:
                return None
            if not 0 <= value < len(self._class_names):
                raise KeyError(text)
            text = self._class_names[value]
        if text in self._index:
            return self._index[text]
        if text.casefold() in self._folded:
            return self._folded[text.casefold()]
        if self._whole_numbers and text.isdecimal() and int(text) < len(self.names):
            return int(text)
        raise KeyError(text)


def _as_text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas converts an integer column with missing cells to floats.
    return str(value).strip()


def _natural(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name
