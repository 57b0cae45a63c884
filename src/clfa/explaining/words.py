"""Words of a text."""

from __future__ import annotations

import re

# Characters of scripts without spaces are words by themselves.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]+"
)


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return the first position and the end of each word.

    Example:
        >>> word_spans("so #sunny  天气")
        [(0, 2), (3, 9), (11, 12), (12, 13)]
    """
    return [match.span() for match in _WORD.finditer(text)]


def without_spans(text: str, spans: list[tuple[int, int]]) -> str:
    """Return a text without some of its words, and without the spaces around them that are too many.

    Example:
        >>> without_spans("not so sunny", [(0, 3)])
        'so sunny'
    """
    kept, end = [], 0
    for start, stop in sorted(spans):
        kept.append(text[end:start])
        end = stop
    return " ".join("".join([*kept, text[end:]]).split())
