"""Reader of VADER's lexicon, an open lexicon for social media (Hutto and Gilbert, ICWSM 2014)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from clfa.errors import DataError, RecipeError
from clfa.knowledge.lexicon import Lexicon

# Valences are means of ratings from -4 to 4.
_SCALE = 4.0


def read_vader(path: Path | None = None) -> Lexicon:
    """Read the lexicon of the package vaderSentiment, scaled from [-4, 4] to [-1, 1].

    Args:
        path: Another file of the same format: ``word<TAB>valence``; further columns are ignored.

    Raises:
        RecipeError: When the package is not installed and no file is given.
        DataError: When the file cannot be read or has another format.
    """
    if path is None:
        package = find_spec("vaderSentiment")
        if package is None or not package.submodule_search_locations:
            raise RecipeError(
                "the lexicon vader needs the package vaderSentiment; install it with pip install 'clfa[knowledge]', "
                "or give its file as knowledge.lexicon_path."
            )
        path = Path(package.submodule_search_locations[0]) / "vader_lexicon.txt"
    polarities: dict[str, float] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"VADER's lexicon {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        word, *rest = line.split("\t")
        try:
            polarity = float(rest[0]) / _SCALE
        except (IndexError, ValueError):
            raise DataError(f"{path}:{number}: expected word<TAB>valence, got {line[:80]!r}.") from None
        if not -1 <= polarity <= 1:
            raise DataError(f"{path}:{number}: valence {rest[0]} is not between -4 and 4.")
        # Some emoticons are listed in both cases.
        polarities.setdefault(word.lower(), polarity)
    if not polarities:
        raise DataError(f"VADER's lexicon {path} is empty.")
    return Lexicon("vader", polarities)
