"""Texts inside a LaTeX document: names of rows and metrics stay texts, whatever characters they have."""

from __future__ import annotations

import re

# Hyperparameters in the names of rows; pdfLaTeX and the usual fonts of others lack these letters.
_GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "varepsilon",
    "ζ": "zeta",
    "η": "eta",
    "θ": "theta",
    "ι": "iota",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "mu",
    "ν": "nu",
    "ξ": "xi",
    "π": "pi",
    "ρ": "rho",
    "σ": "sigma",
    "τ": "tau",
    "υ": "upsilon",
    "φ": "varphi",
    "χ": "chi",
    "ψ": "psi",
    "ω": "omega",
    "Γ": "Gamma",
    "Δ": "Delta",
    "Θ": "Theta",
    "Λ": "Lambda",
    "Ξ": "Xi",
    "Π": "Pi",
    "Σ": "Sigma",
    "Φ": "Phi",
    "Ψ": "Psi",
    "Ω": "Omega",
}

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
    # By its number: \textquotedbl is an error in the font encoding of a document without fontenc.
    '"': r"{\char34}",
    # After the end of a row they would be its options.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "→": r"$\rightarrow$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    **{letter: rf"$\{name}$" for letter, name in _GREEK.items()},
    "◦": r"$\circ$",
}
# Two of these become one other character.
_LIGATURES = frozenset("-,'")
# Control characters, halves of characters, and those that change the direction of what follows.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def tex(text: str) -> str:
    r"""Return a text as LaTeX that shows it in one line: no command, group, formula, comment or end of a cell.

    Example:
        >>> print(tex(r"50% of \input{x} & [a_b] --c"))
        50\% of \textbackslash{}input\{x\} \& {[}a\_b{]} -{}-c
    """
    line = " ".join(_CONTROL.sub(" ", text).split())
    return "".join(
        _ESCAPES.get(character, character) + ("{}" if character in _LIGATURES and character == after else "")
        for character, after in zip(line, f"{line} "[1:], strict=True)
    )
