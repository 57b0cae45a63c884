"""Choice of installed fonts that have the characters of a plot."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

# The last one is a font of boxes, which has every character.
_UNSUITABLE = ("Last Resort", "LastResort")
_JOINERS = "\u200c\u200d"
# Parts of the names of fonts that suit the labels of a plot, tried first.
_PREFERRED = ("noto sans", "source han sans", "sans", "gothic", "hei")


def choose_fonts(texts: Iterable[str], usual: Sequence[str]) -> tuple[list[str], set[str]]:
    """Return the font families that draw ``texts``, in order, and the characters that no installed font has.

    Args:
        texts: The texts of a plot.
        usual: Font families that are used anyway.
    """
    from matplotlib import font_manager

    wanted = {character for text in texts for character in text if _has_ink(character)}
    hopeless = set() if _shapes_text() else {character for character in wanted if _needs_shaping(character)}
    families = list(usual)
    known = _characters(font_manager.findfont(font_manager.FontProperties(family=families)))
    absent = {character for character in wanted - hopeless if ord(character) not in known}
    if absent:
        for family, file in _installed():
            found = {character for character in absent if _draws(file, character)}
            if found:
                families.append(family)
                absent -= found
            if not absent:
                break
    return families, absent | hopeless


def drawable(text: str) -> str:
    """Return a text without the characters that fonts draw as boxes: control characters and marks without ink."""
    kept = (" " if unicodedata.category(one) == "Cc" and one != "\n" else one for one in text)
    # Without shaping, joiners and marks of direction have no meaning.
    return "".join(one for one in kept if one.isspace() or _has_ink(one) or (_shapes_text() and one in _JOINERS))


def _has_ink(character: str) -> bool:
    invisible = unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")
    return not invisible and not 0xFE00 <= ord(character) <= 0xFE0F


def _shapes_text() -> bool:
    """Return whether matplotlib joins letters and writes from right to left (from 3.11 on)."""
    from matplotlib import ft2font

    return hasattr(ft2font, "__libraqm_version__")


def _needs_shaping(character: str) -> bool:
    return unicodedata.bidirectional(character) in ("R", "AL") or unicodedata.category(character) == "Mc"


@cache
def _installed() -> list[tuple[str, str]]:
    """Return family and file of the upright fonts of usual weight, those that suit plots first."""
    from matplotlib import font_manager

    found = {
        entry.name: entry.fname
        for entry in font_manager.fontManager.ttflist
        if entry.style == "normal" and str(entry.weight) in ("400", "normal", "regular")
    }
    families = [name for name in found if not name.startswith(_UNSUITABLE)]
    rank = {name: next((i for i, part in enumerate(_PREFERRED) if part in name.lower()), 9) for name in families}
    return [(name, found[name]) for name in sorted(families, key=lambda name: (rank[name], name))]


@cache
def _characters(file: str) -> dict[int, int]:
    font = _open(file)
    return {} if font is None else font.get_charmap()


def _draws(file: str, character: str) -> bool:
    """Return whether a font has an outline of a character; fonts of coloured pictures have none."""
    font = _open(file)
    if font is None or ord(character) not in _characters(file):
        return False
    try:
        font.load_char(ord(character))
        return len(font.get_path()[0]) > 0
    except (RuntimeError, ValueError):
        return False


def _open(file: str) -> Any:
    from matplotlib import font_manager

    try:
        font = font_manager.get_font(file)
    except (OSError, RuntimeError):
        return None
    return font if font.scalable else None
