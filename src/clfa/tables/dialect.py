"""Detection of the field separator of a CSV or TSV file."""

from __future__ import annotations

from collections.abc import Sequence

from clfa.tables.quoting import split_fields

SEPARATORS = (",", "\t", ";", "|")


def find_separator(lines: Sequence[str], likely: Sequence[str]) -> str:
    """Return the separator with which most lines have as many fields as the header.

    Args:
        lines: The file's first non-blank lines, without line ends; the header first.
        likely: Separators to prefer if several fit equally well, the most likely first. The last one is the usual
            separator for the file's suffix; it is also the result for a file with one column.
    """
    best, best_score = likely[-1], 0.0
    for separator in dict.fromkeys((*likely, *SEPARATORS)):
        width = len(split_fields(lines[0], separator).values) if lines else 0
        if width < 2:
            continue
        others = [split_fields(line, separator) for line in lines[1:]]
        fitting = [len(fields.values) == width for fields in others if not fields.open]
        # The header counts as one fitting line.
        score = (1.0 + sum(fitting)) / (1.0 + len(fitting)) + 0.25 * (separator in likely)
        if score > best_score:
            best, best_score = separator, score
    return best
