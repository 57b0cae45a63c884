"""Fields of one record of a CSV or TSV file."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The content of a quoted field and its closing quote; a quote inside is doubled. Never backtracks.
_QUOTED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"')
_CLOSING = re.compile(r'[^"]*+(?:""[^"]*+)*+"')


@dataclass(slots=True)
class Fields:
    """What :func:`split_fields` found.

    Args:
        values: The fields; the last one is cut short where a quote is ``open``.
        open: Whether a quote was opened and not closed.
        proper: Whether every quoted field ends with its closing quote.
    """

    values: list[str]
    open: bool = False
    proper: bool = True


def split_fields(text: str, separator: str, *, skip_blanks: bool = False) -> Fields:
    """Split a record, without its line end, as RFC 4180 has it.

    A quoted field that goes on after its closing quote is taken as Python's csv module takes it: the rest as it stands.
    There is no limit to the length of a field.

    Args:
        text: The record; of several lines where quoted fields have line breaks.
        separator: One character.
        skip_blanks: Whether a quote may follow blanks after a separator.
    """
    values: list[str] = []
    opening = separator + '"'
    proper, position, size = True, 0, len(text)
    while True:
        start = position
        if skip_blanks:
            while start < size and text[start] == " ":
                start += 1
        if text.startswith('"', start):
            match = _QUOTED.match(text, start)
            if match is None:
                values.append(text[start + 1 :].replace('""', '"'))
                return Fields(values, open=True, proper=proper)
            value = match[1]
            if '""' in value:
                value = value.replace('""', '"')
            end = match.end()
            if end < size and text[end] != separator:
                rest = text.find(separator, end)
                rest = size if rest < 0 else rest
                proper = False
                value, end = value + text[end:rest], rest
            values.append(value)
        elif skip_blanks:
            end = text.find(separator, position)
            end = size if end < 0 else end
            values.append(text[position:end])
        else:
            # Up to the next field that begins with a quote.
            end = text.find(opening, position)
            end = size if end < 0 else end
            values += text[position:end].split(separator)
        if end >= size:
            return Fields(values, proper=proper)
        position = end + 1


def may_close(line: str) -> bool:
    """Return whether a quote that is open before ``line`` is closed in it."""
    return '"' in line and _CLOSING.match(line) is not None
