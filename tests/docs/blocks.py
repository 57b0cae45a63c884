"""The code blocks of every page: README, the pages beside it, and all below ``docs``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "examples" / "README.md"]
)
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the number of its first line, its language and its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The command lines of a block of shell, each in one line."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def blocks(*languages: str, pages: Sequence[str] = PAGES) -> list[Block]:
    """Return the blocks of these languages, or all, in the order of the pages."""
    found = []
    for page in pages:
        text = (ROOT / page).read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            block = Block(page, text.count("\n", 0, match.start()) + 1, match[1], match[2])
            if not languages or block.language in languages:
                found.append(block)
    return found
