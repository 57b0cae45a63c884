"""Detection of the field separator of a CSV or TSV file."""

from __future__ import annotations

from collections.abc import Sequence

from clfa.tables.columns import USUAL_NAMES, column_key
from clfa.tables.quoting import split_fields

SEPARATORS = (",", "\t", ";", "|")
_USUAL_NAMES = frozenset(column_key(name) for names in USUAL_NAMES.values() for name in names)


def find_separator(lines: Sequence[str], likely: Sequence[str]) -> str:
    """Return the separator of the header: that with the most usual column names in it.

    Between separators with equally many, the lines decide: most have as many fields as the header. So no character in a
    text changes the separator of a table whose columns have usual names.

    Args:
        lines: The file's first non-blank lines, without line ends; the header first.
        likely: Separators to prefer if several fit equally well, the most likely first. The last one is the usual
            separator for the file's suffix; it is also the result for a file with one column.
    """
    best, best_score = likely[-1], (0, 0.0)
    for separator in dict.fromkeys((*likely, *SEPARATORS)):
        names = split_fields(lines[0], separator, skip_blanks=True).values if lines else []
        width = len(names)
        if width < 2:
            continue
        known = sum(column_key(name) in _USUAL_NAMES for name in names)
        others = [split_fields(line, separator) for line in lines[1:]]
        fitting = [len(fields.values) == width for fields in others if not fields.open]
        # The header counts as one fitting line.
        share = (1.0 + sum(fitting)) / (1.0 + len(fitting)) + 0.25 * (separator in likely)
        score = known, share
        if score > best_score:
            best, best_score = separator, score
    return best
