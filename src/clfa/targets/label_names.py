"""Labels as tables hold them (names, numbers, class indices) turned into class indices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from clfa.errors import Argument, DataError

_MOST_CLASSES = 1000


class LabelIndex:
    """Class index of every value a label column holds.

    Args:
        values: All labels of the data set; only read when neither of the other arguments says what the classes are.
        names: Class names in index order, as the user gave them.
        class_names: Class names the file itself declares (``datasets.ClassLabel``), its values being their indices.

    Raises:
        DataError: No label at all, or so many different ones that they cannot be classes.
    """

    def __init__(
        self, values: Iterable[Any], names: Sequence[str] | None = None, class_names: Sequence[str] | None = None
    ) -> None:
        self._class_names = list(class_names) if class_names is not None else None
        if names is not None:
            self.names = list(names)
            if self._class_names and len(names) == len(self._class_names) and not set(names) & set(self._class_names):
                self._class_names = self.names  # Other words for the same classes, in the same order.
            self._whole_numbers = True
        elif self._class_names is not None:
            self.names = list(self._class_names)
            self._whole_numbers = True
        else:
            self.names = sorted({text for text in map(_as_text, values) if text}, key=_natural)
            # The numbers are the names here: -1, 0, 1 are three classes, not indices.
            self._whole_numbers = False
        if not self.names:
            raise DataError("the data have no labels and label_names is not given: name the classes with label_names")
        if len(self.names) > _MOST_CLASSES:
            raise DataError(
                f"the label column has {len(self.names):,} different values, for instance {self.names[0]!r}; "
                "is it the right column? Choose another with ",
                Argument("label", ...),
                ", or give label_names",
            )
        self._index = {name: index for index, name in enumerate(self.names)}
        self._folded = {name.strip().casefold(): index for index, name in enumerate(self.names)}

    def of(self, value: Any) -> int | None:
        """Index of ``value``, ``None`` where it is no label at all (empty, NaN, ``-1`` of a ``ClassLabel``).

        Raises:
            KeyError: ``value`` is none of the classes.
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
        value = int(value)  # pandas turns a column of integers with a gap into floats.
    return str(value).strip()


def _natural(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name
