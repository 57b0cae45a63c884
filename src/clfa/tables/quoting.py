"""Splitting of a record of a CSV or TSV file into fields."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The content of a quoted field and its closing quote; a quote inside is doubled. Possessive, so it never backtracks.
_QUOTED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"')
_ESCAPED = re.compile(r'\\(["\\])')
_CLOSING = re.compile(r'[^"]*+(?:""[^"]*+)*+"')


@dataclass(slots=True)
class Fields:
    """Result of :func:`split_fields`.

    Args:
        values: The fields; the last one is incomplete if a quote is ``open``.
        open: Whether the last quoted field has no closing quote.
        proper: Whether every quoted field ends with its closing quote.
    """

    values: list[str]
    open: bool = False
    proper: bool = True


def split_fields(text: str, separator: str, *, skip_blanks: bool = False, strict: bool = False) -> Fields:
    """Split a record, without its line end, according to RFC 4180.

    Text after the closing quote of a field is added to the field unchanged, as in Python's csv module. The length of a
    field is not limited.

    Args:
        text: The record; several lines if quoted fields contain line breaks.
        separator: One character.
        skip_blanks: Whether blanks between a separator and a quote are ignored.
        strict: Whether a quote is an ordinary character if no separator and no end follows the one that closes it.
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
            if strict and (match is None or (match.end() < size and text[match.end()] != separator)):
                end = text.find(separator, position)
                end = size if end < 0 else end
                values.append(text[position:end])
                if end >= size:
                    return Fields(values)
                position = end + 1
                continue
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


def escaped_fields(text: str, separator: str) -> list[str] | None:
    """Return the fields of a record whose quotes are escaped by backslashes, as MySQL and Spark write them.

    Returns:
        ``None`` for a record without such quotes, or with others.

    Example:
        >>> escaped_fields(r'1,"so \\"sunny\\", he said"', ",")
        ['1', 'so "sunny", he said']
    """
    if '\\"' not in text:
        return None
    found = split_fields(_ESCAPED.sub(lambda match: '""' if match[1] == '"' else match[1], text), separator)
    return found.values if found.proper and not found.open else None


def may_close(line: str) -> bool:
    """Return whether ``line`` closes a quote that an earlier line opened."""
    return '"' in line and _CLOSING.match(line) is not None
