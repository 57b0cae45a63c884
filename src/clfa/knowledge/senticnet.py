"""Reader of SenticNet's concept polarities (Cambria et al.); users download the file themselves."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from clfa.errors import DataError, RecipeError
from clfa.knowledge.lexicon import Lexicon

_LABELS = ("positive", "negative", "neutral")
_MAX_BYTES = 1 << 30
_MAX_LINE = 20_000
# One entry of the Python file: senticnet['a_lot'] = [...], or 'a_lot': [...], within a literal.
_ENTRY = re.compile(r"^\s*(?:senticnet\s*\[\s*)?(?P<concept>(['\"]).*?\2)\s*(?:\]\s*=|:)\s*(?P<values>\[.*\])\s*,?\s*$")
_FRAME = re.compile(r"^\s*(?:#.*|senticnet\s*=\s*(?:\{\s*\}?|dict\(\s*\))\s*|\}\s*)?$")


def read_senticnet(path: Path | None = None) -> Lexicon:
    """Read polarity intensities from SenticNet's Python file or a tab-separated table.

    The Python file has a line ``senticnet['concept'] = [..., 'positive', '0.5', ...]`` (or ``'concept': [...]``) for
    each concept; it is parsed line by line and never executed. The table has ``concept<TAB>polarity_label<TAB>
    polarity_intensity``, with or without a header. Underscores in concepts mean blanks.

    Args:
        path: The file.

    Raises:
        RecipeError: When no file is given.
        DataError: When the file cannot be read or a line has neither form; the message names the line.
    """
    if path is None:
        raise RecipeError(
            "the lexicon senticnet needs knowledge.lexicon_path: SenticNet's Python file or its tab-separated table, "
            "from sentic.net. The lexicon vader comes with a package."
        )
    polarities: dict[str, float] = {}
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"SenticNet file {path} is larger than {_MAX_BYTES:,} bytes; is it the right one?")
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                entry = _entry(line.rstrip("\r\n"), number, path)
                if entry is not None:
                    polarities.setdefault(entry[0].replace("_", " ").lower(), entry[1])
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"SenticNet file {path} cannot be read: {error}") from error
    if not polarities:
        raise DataError(f"SenticNet file {path} holds no concept.")
    return Lexicon("senticnet", polarities)


def _entry(line: str, number: int, path: Path) -> tuple[str, float] | None:
    where = f"{path}:{number}"
    if len(line) > _MAX_LINE:
        raise DataError(f"{where}: the line is longer than {_MAX_LINE:,} characters; is this a SenticNet file?")
    found = _ENTRY.match(line)
    if found is not None:
        try:
            concept, values = ast.literal_eval(found["concept"]), ast.literal_eval(found["values"])
            # The label is directly before the intensity in every release, but its position differs.
            label = next(position for position, value in enumerate(values) if value in _LABELS)
            return str(concept), _polarity(values[label + 1], where)
        except (ValueError, SyntaxError, TypeError, IndexError, StopIteration):
            raise DataError(f"{where}: expected [..., polarity label, intensity, ...], got {line[:80]!r}.") from None
    columns = line.split("\t")
    if len(columns) >= 3:
        # A header has no polarity label in the second column.
        return None if number == 1 and columns[1] not in _LABELS else (columns[0], _polarity(columns[2], where))
    if _FRAME.match(line):
        return None
    raise DataError(
        f"{where}: neither senticnet['concept'] = [...] nor concept<TAB>polarity_label<TAB>polarity_intensity: "
        f"{line[:80]!r}."
    )


def _polarity(value: object, where: str) -> float:
    try:
        polarity = float(str(value))
    except ValueError:
        raise DataError(f"{where}: the intensity {value!r} is not a number.") from None
    if not -1 <= polarity <= 1:
        raise DataError(f"{where}: the intensity {value} is not between -1 and 1.")
    return polarity
