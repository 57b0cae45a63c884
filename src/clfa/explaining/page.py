"""Explanations of a file as one HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clfa import report
from clfa.explaining.explanation import Explanation
from clfa.explaining.picture import headline

# Longest text on the page.
MAX_TEXT = 1000


@dataclass(frozen=True)
class ExplainedPost:
    """A post on the page.

    Args:
        id: Its id, or the number of its row.
        explanation: Its explanation, or why there is none.
        picture: Data URL of its picture with the regions; ``None`` without one.
    """

    id: str
    explanation: Explanation
    picture: str | None = None


def render_page(posts: list[ExplainedPost], name: str, rows: int) -> str:
    """Return the page; all texts, ids and class names are escaped.

    Args:
        posts: The posts, in the order of the table.
        name: Name of the table.
        rows: Number of rows of the table.
    """
    environment = Environment(
        # The style is the report's.
        loader=FileSystemLoader([Path(__file__).parent, *report.__path__]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    cards = [_card(post) for post in posts]
    failed = sum(post.explanation.error is not None for post in posts)
    method = next((post.explanation.method for post in posts if post.explanation.error is None), "–")
    return environment.get_template("page.html").render(name=name, cards=cards, rows=rows, failed=failed, method=method)


def _card(post: ExplainedPost) -> dict[str, Any]:
    found = post.explanation
    if found.error is not None:
        return {"id": post.id, "error": found.error}
    return {
        "id": post.id,
        "error": None,
        "picture": post.picture,
        "headline": headline(found),
        "pieces": _pieces(found),
        "left_out": found.words_left_out,
        "without": {name: (one.value, one.score, one.how) for name, one in found.without.items()},
        "number": found.label is None,
        "neighbours": found.neighbours,
    }


def _pieces(found: Explanation) -> list[dict[str, Any]]:
    """Return the text in pieces: words with side and strength (0 to 10), and what is between them."""
    most = max((abs(word.score) for word in found.words), default=0.0)
    most = most if most >= found.least else 0.0
    pieces: list[dict[str, Any]] = []
    end = 0
    for word in found.words:
        if word.start >= MAX_TEXT:
            break
        pieces.append({"text": found.text[end : word.start], "strength": 0})
        strength = round(10 * abs(word.score) / most) if most > 0 else 0
        side = "for" if word.score > 0 else "against"
        pieces.append({"text": word.text, "strength": strength, "side": side, "score": word.score})
        end = word.start + len(word.text)
    rest = found.text[end:MAX_TEXT]
    return [*pieces, {"text": rest + (" …" if len(found.text) > MAX_TEXT else ""), "strength": 0}]
