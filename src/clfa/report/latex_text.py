"""Texts inside a LaTeX document: names of rows and metrics stay texts, whatever characters they have."""

from __future__ import annotations

import re

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\textquotedbl{}",
    # After the end of a row they would be its options.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "→": r"$\rightarrow$",
    "α": r"$\alpha$",
    "◦": r"$\circ$",
}
# Control characters, halves of characters, and those that change the direction of what follows.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def tex(text: str) -> str:
    r"""Return a text as LaTeX that shows it in one line: no command, group, formula, comment or end of a cell.

    Example:
        >>> print(tex(r"50% of \input{x} & [a_b]"))
        50\% of \textbackslash{}input\{x\} \& {[}a\_b{]}
    """
    line = " ".join(_CONTROL.sub(" ", text).split())
    return "".join(_ESCAPES.get(character, character) for character in line)
