"""Labels that tables have in several forms, as the number 1 and the text "1"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from clfa.data.table_part import TablePart
from clfa.targets.columns import TargetColumns
from clfa.targets.label_types import label_text, label_type

_SHOWN = 3
_FORMS = {"str": "a text", "int": "a number", "float": "a number", "bool": "a truth value"}
_NUMBERS = ("int", "float")


def label_form_warnings(parts: Sequence[TablePart], labels: TargetColumns) -> list[str]:
    """Return the warnings about classes that are written in several forms, with the first row of each form.

    In CSV files all labels are texts, so that they do not count.

    Args:
        parts: The tables.
        labels: Their targets.
    """
    found: list[str] = []
    for target in labels.targets:
        if not target.kind.has_classes:
            continue
        spec = labels.specs[target.name]
        columns = [labels.column(target.name, number) for number in range(len(parts))]
        typed = [
            (part, column)
            for part, column in zip(parts, columns, strict=True)
            if column is not None and part.separator is None
        ]
        kinds = {str(part.data.features[column]) for part, column in typed}
        # A column of one type has its labels in one form.
        if len(kinds) > 1 or any(column in part.mixed for part, column in typed):
            cells = ((place, item) for place, cell in _cells(typed) for item in target.kind.items(cell, spec))
            found += _warnings(cells, target.of_target)
    return found


def _cells(places: Iterable[tuple[TablePart, str]]) -> Iterator[tuple[tuple[str, int], Any]]:
    for part, column in places:
        cells = part.mixed[column] if column in part.mixed else part.data[column][:]
        numbers = range(1, len(cells) + 1) if part.numbers is None else part.numbers
        for number, cell in zip(numbers, cells, strict=True):
            yield (part.source, number), cell


def _warnings(labels: Iterable[tuple[tuple[str, int], Any]], of_target: str) -> Iterator[str]:
    # Class name -> form -> the first row with it.
    seen: dict[str, dict[str, tuple[str, int]]] = {}
    for place, label in labels:
        if text := label_text(label):
            seen.setdefault(text, {}).setdefault(label_type(label), place)
    several = {name: forms for name, forms in seen.items() if len(forms) > 1}
    if several:
        shown = [f"{name!r} {_forms(forms)}" for name, forms in list(several.items())[:_SHOWN]]
        yield (
            f"Labels{of_target} are written in several forms: {'; '.join(shown)}{'; ...' * (len(several) > _SHOWN)}. "
            "Each is one class, predicted as a text. Write them alike."
        )
    truths = [(name, forms["bool"]) for name, forms in seen.items() if "bool" in forms]
    numbers = [(name, forms[kind]) for name, forms in seen.items() for kind in _NUMBERS if kind in forms]
    if truths and numbers:
        (truth, one), (number, other) = truths[0], numbers[0]
        yield (
            f"Labels{of_target} are truth values ({truth} in {_row(one)}) and numbers ({number} in {_row(other)}): "
            "these are different classes, also True and 1. Write them alike."
        )


def _forms(forms: dict[str, tuple[str, int]]) -> str:
    return " and ".join(f"as {_FORMS[form]} ({_row(place)})" for form, place in forms.items())


def _row(place: tuple[str, int]) -> str:
    return f"{place[0]}:row {place[1]}"
