"""Reading of knowledge texts of MMSD images: predicted attribute words and OCR."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from pathlib import Path

from clfa.data.schema import Dropped
from clfa.errors import DataError
from clfa.tables.encoding import clean_text

SEPARATOR = " ; "

_MAX_LINE = 100_000


def _attributes(line: str) -> tuple[str, str]:
    id, *words = ast.literal_eval(line)
    return str(id), " ".join(str(word) for word in words)


def _ocr(line: str) -> tuple[str, str]:
    id, _, text = line.strip().partition(" ")
    return id, text


# Known file names, including those of the authors' releases.
_FILES: dict[str, tuple[tuple[str, ...], Callable[[str], tuple[str, str]]]] = {
    "attributes": (("image_attributes.txt", "extract/extract_all", "extract_all"), _attributes),
    "ocr": (("image_ocr.txt", "ocr/image_ocr.txt"), _ocr),
}


def read_knowledge(root: Path, kinds: str | Sequence[str] | None, dropped: list[Dropped]) -> dict[str, str]:
    """Read the knowledge texts by image id.

    Args:
        root: Data set folder.
        kinds: ``"attributes"``, ``"ocr"`` or both, joined in the order given; ``None`` for no knowledge.
        dropped: List to which lines that cannot be parsed are added.

    Raises:
        DataError: If a kind is unknown, or its file is missing.
    """
    names = [kinds] if isinstance(kinds, str) else list(kinds or [])
    parts: dict[str, list[str]] = {}
    for kind in names:
        if kind not in _FILES:
            raise DataError(f"unknown knowledge {kind!r}; this data set has: {', '.join(_FILES)}")
        candidates, parse = _FILES[kind]
        path = next((root / name for name in candidates if (root / name).is_file()), None)
        if path is None:
            raise DataError(f"{root}: knowledge {kind!r} needs one of the files {', '.join(candidates)}; none exists")
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                try:
                    if len(line) > _MAX_LINE:
                        raise ValueError("the line is too long")
                    id, text = parse(line)
                except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
                    dropped.append(Dropped("", "", f"{path.name}:{number}", "bad knowledge line", str(error)))
                    continue
                if text := clean_text(text):
                    parts.setdefault(id, []).append(text)
    return {id: SEPARATOR.join(texts) for id, texts in parts.items()}
