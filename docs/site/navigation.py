"""The order of the pages: the headings of ``docs/index.md`` and the links below them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


@dataclass
class Section:
    """A heading and the targets of the list below it, with the words of their links."""

    title: str
    links: dict[str, str] = field(default_factory=dict)


def sections(index: str) -> list[Section]:
    """Return the sections of the index page that have a list of links, in order."""
    found = []
    for part in index.split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        items = [line for line in body.splitlines() if line.startswith("- ")]
        links = {link[3]: link[2] for line in items if (link := LINK.search(line))}
        if links:
            found.append(Section(title.strip(), links))
    return found


def toctrees(found: list[Section]) -> str:
    """Return hidden ``toctree`` blocks, one a section, that make the side bar and the links to the next page."""
    blocks = []
    for section in found:
        pages = "".join(entry(link, words) for link, words in section.links.items())
        blocks.append(f"```{{toctree}}\n:hidden:\n:caption: {section.title}\n\n{pages}```\n")
    return "\n".join(blocks)


def entry(link: str, words: str) -> str:
    """Return the line of a page: its own title, or the words of the link where the title is the project's name."""
    page = link.removesuffix(".md")
    return f"{words} <{page}>\n" if page.endswith("readme") else f"{page}\n"
