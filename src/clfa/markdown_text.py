"""Texts inside a Markdown page: names of rows, classes and errors stay texts, whatever characters they have."""

from __future__ import annotations

import re


class Inline(str):
    """Markdown within a line; every other text is escaped before it becomes part of a page."""


# Underscores within a word mean nothing.
_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
# Addresses that become links without brackets.
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
_BLOCK = re.compile(r"\A(\d*)(?=[#>+=.)-])")
# Control characters, and those that change the direction of what follows.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# What would become an address of mail or the mention of a user. A backslash before it has no effect on GitHub.
_AT = re.compile(r"@(?=\w)")


def inline(text: str) -> Inline:
    r"""Return a text as Markdown that shows it in one line: no HTML, link, emphasis, code, formula or end of a cell.

    Example:
        >>> print(inline("<b>[a](javascript:b)|`c`"))
        &lt;b>\[a\](javascript:b)\|\`c\`
    """
    if isinstance(text, Inline):
        return text
    line = " ".join(_CONTROL.sub(" ", text).split())
    line = _ADDRESS.sub(r"\\", _SPECIAL.sub(r"\\\g<0>", line))
    return Inline(_AT.sub("@<!-- -->", line.replace("&", "&amp;").replace("<", "&lt;")))


def bold(text: str) -> Inline:
    """Return a text in bold."""
    return Inline(f"**{inline(text)}**")


def italic(text: str) -> Inline:
    """Return a text in italics."""
    return Inline(f"*{inline(text)}*")


def paragraph(*texts: str) -> str:
    r"""Return texts as one paragraph, which is no heading, list, quotation or rule.

    Example:
        >>> print(paragraph("1. one", "# two"))
        1\. one # two
    """
    return _BLOCK.sub(r"\1\\", " ".join(inline(text) for text in texts if text))
