"""The order of the pages: the headings of ``docs/index.md`` and the links below them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


@dataclass
class Section:
    """A heading and the targets of the list below it."""

    title: str
    links: list[str] = field(default_factory=list)


def sections(index: str) -> list[Section]:
    """Return the sections of the index page that have a list of links, in order."""
    found = []
    for part in index.split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        links = [link[3] for line in body.splitlines() if line.startswith("- ") and (link := LINK.search(line))]
        if links:
            found.append(Section(title.strip(), links))
    return found


def toctrees(found: list[Section]) -> str:
    """Return hidden ``toctree`` blocks, one a section, that make the side bar and the links to the next page."""
    blocks = []
    for section in found:
        pages = "".join(f"{link.removesuffix('.md')}\n" for link in section.links)
        blocks.append(f"```{{toctree}}\n:hidden:\n:caption: {section.title}\n\n{pages}```\n")
    return "\n".join(blocks)
