"""Missing cells of a table, and cells that are scalars of NumPy."""

from __future__ import annotations

import numbers
from decimal import Decimal
from typing import Any

# Texts for a missing value, as pandas reads and writes them, and pandas' and NumPy's missing time.
MISSING_TEXTS = frozenset(
    {
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NAN",
        "NULL",
        "NaN",
        "NaT",
        "Nan",
        "None",
        "n/a",
        "nan",
        "null",
    }
)
_LONGEST = max(map(len, MISSING_TEXTS))


def is_missing(value: Any) -> bool:
    """Return whether a cell is empty: ``None``, NaN, pandas' ``NA`` and ``NaT``, blank text or :data:`MISSING_TEXTS`.

    Example:
        >>> [is_missing(cell) for cell in (None, float("nan"), " ", "N/A", "nan", "none of them", 0, False)]
        [True, True, True, True, True, False, False, False]
    """
    if value is None:
        return True
    if isinstance(value, str):
        return value.isspace() or ((value[:1].isspace() or len(value) <= _LONGEST) and value.strip() in MISSING_TEXTS)
    if isinstance(value, Decimal):
        return value.is_nan()  # A comparison of a signalling NaN is an error.
    if isinstance(value, numbers.Number):
        return bool(value != value)
    kind = type(value).__name__
    return kind in ("NAType", "NaTType") or (kind == "datetime64" and str(value) == "NaT")


def plain(value: Any) -> Any:
    """Return a NumPy number or truth value as that of Python, and a whole decimal number as a whole number.

    Any other value is unchanged.

    Example:
        >>> plain(Decimal("5.00")), plain(Decimal("5.5")), plain("5.00")
        (5, Decimal('5.5'), '5.00')
    """
    if isinstance(value, Decimal):
        # Parquet files and databases have ids and labels of such types.
        return int(value) if value.is_finite() and value == value.to_integral_value() else value
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0 else value
