"""Which character separates the fields of a CSV or TSV file."""

from __future__ import annotations

from collections.abc import Sequence

from clfa.tables.quoting import split_fields

SEPARATORS = (",", "\t", ";", "|")


def find_separator(lines: Sequence[str], likely: Sequence[str]) -> str:
    """Return the separator under which most lines have as many fields as the first.

    Args:
        lines: The file's first lines that are not blank, without their ends; the header first.
        likely: Separators to prefer where others fit as well, the likeliest first; with the one that the file's suffix
            stands for last, which is also the answer for a file of one column.
    """
    best, best_score = likely[-1], 0.0
    for separator in dict.fromkeys((*likely, *SEPARATORS)):
        width = len(split_fields(lines[0], separator).values) if lines else 0
        if width < 2:
            continue
        others = [split_fields(line, separator) for line in lines[1:]]
        fitting = [len(fields.values) == width for fields in others if not fields.open]
        # A header alone says something, and lines that fit say more.
        score = (1.0 + sum(fitting)) / (1.0 + len(fitting)) + 0.25 * (separator in likely)
        if score > best_score:
            best, best_score = separator, score
    return best
