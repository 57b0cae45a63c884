"""Conversion of labels in tables (names, numbers, class indices) to class indices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clfa.errors import Argument, DataError
from clfa.targets.cells import labels_in
from clfa.targets.label_types import label_text, label_type, name_types, same_name, without_stray_quote

_MOST_CLASSES = 1000


class LabelIndex:
    """Class index of each value in a label column.

    Args:
        values: All labels of the data set.
        names: Class names in index order, given by the user.
        class_names: Class names declared by the file (``datasets.ClassLabel``); its values are their indices.

    Raises:
        DataError: If there are no labels, too many different labels to be classes, or mostly lists of labels.

    Attributes:
        names: Class names in index order. Their order does not depend on that of the values.
        types: Type of each class's label, one of :data:`clfa.targets.label_types.LABEL_TYPES`; ``None`` if all are
            texts.
    """

    def __init__(
        self, values: Iterable[Any], names: Sequence[str] | None = None, class_names: Sequence[str] | None = None
    ) -> None:
        self._class_names = list(class_names) if class_names is not None else None
        seen = _seen(values)
        if names is not None:
            self.names = list(names)
            if self._class_names and len(names) == len(self._class_names) and not set(names) & set(self._class_names):
                self._class_names = self.names  # The user renames the declared classes.
        elif self._class_names is not None:
            self.names = list(self._class_names)
        else:
            self.names = sorted(seen, key=_natural)
        # Beside classes that are numbers, a number is never an index: 0 is not the first of the classes 1, 2, 3.
        self._whole_numbers = (names or self._class_names) is not None and not any(map(_is_number, self.names))
        if not self.names:
            raise DataError(
                "no row has a label; name the column of the labels with ",
                Argument("label", ...),
                ", or the classes with ",
                Argument("label_names", ...),
            )
        if len(self.names) > _MOST_CLASSES:
            raise DataError(
                f"the label column has {len(self.names):,} different values, for instance {self.names[0]!r}; "
                "it is probably the wrong column. Choose another with ",
                Argument("label", ...),
                ", or give ",
                Argument("label_names", ...),
            )
        # Labels of a file that declares its classes are their indices.
        self.types = None if self._class_names is not None else name_types(self.names, seen)
        self._index = {name: index for index, name in enumerate(self.names)}
        for index, name in enumerate(self.names):
            self._index.setdefault(same_name(label_text(name)), index)
        folded = [same_name(name.strip()).casefold() for name in self.names]
        # Where classes differ in letter case only, another spelling is none of them.
        self._folded = {name: index for index, name in enumerate(folded) if folded.count(name) == 1}

    def of(self, value: Any) -> int | None:
        """Return the class index of ``value``; ``None`` for a missing label or the ``-1`` of a ``ClassLabel``.

        Missing are the cells of :func:`clfa.tables.missing.is_missing`, unless a class has the name of one.

        Raises:
            KeyError: If ``value`` is not one of the classes.
        """
        text = label_text(value)
        if not text:
            return self._index.get(value.strip()) if isinstance(value, str) else None
        if self._class_names is not None and isinstance(value, int):
            if value == -1:
                return None
            if not 0 <= value < len(self._class_names):
                raise KeyError(text)
            text = self._class_names[value]
        if isinstance(value, Mapping) or (not isinstance(value, str) and labels_in(value) is not None):
            raise KeyError(text)
        if text in self._index:
            return self._index[text]
        text = same_name(text)
        if text in self._index:
            return self._index[text]
        if text.casefold() in self._folded:
            return self._folded[text.casefold()]
        if (bare := without_stray_quote(text)) in self._index:
            return self._index[bare]
        if self._whole_numbers and text.isdecimal() and int(text) < len(self.names):
            return int(text)
        raise KeyError(text)


def _seen(values: Iterable[Any]) -> dict[str, set[str]]:
    """Return the types of the labels by class name; without lists of labels.

    Names of the same characters, composed (é) or not (e and an accent), are one class, by a name that the data have. So
    are a name and the same one with a stray quote, as a faulty CSV file has it.

    Raises:
        DataError: If most of the labels are lists.
    """
    seen: dict[str, set[str]] = {}
    plain, lists, example = 0, 0, None
    for value in values:
        if isinstance(value, Mapping) or labels_in(value) is not None:
            lists, example = lists + 1, value
        elif text := label_text(value):
            plain += 1
            seen.setdefault(text, set()).add(label_type(value))
    if lists > plain:
        raise DataError(
            f"the label column holds lists or objects, for instance {str(example)[:80]}; a label is one class. "
            "For several classes per post give ",
            Argument("problem_type", "multi_label_classification"),
            "; otherwise write one class in each cell",
        )
    same: dict[str, list[str]] = {}
    for text in sorted(seen):
        same.setdefault(same_name(text), []).append(text)
    for key in list(same):
        if (bare := without_stray_quote(key)) in same and bare != key:
            same[bare] += same.pop(key)
    names = {key: key if key in texts else texts[0] for key, texts in same.items()}
    return {names[key]: set().union(*(seen[text] for text in texts)) for key, texts in same.items()}


def _natural(name: str) -> tuple[int, float, str]:
    """Return a sort key: finite numbers by value, then texts."""
    return (0, float(name), name) if _is_number(name) else (1, 0.0, name)


def _is_number(name: str) -> bool:
    try:
        return math.isfinite(float(name))
    except ValueError:
        return False
