"""Texts in Markdown stay texts: a parser finds no markup in them."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from clfa.markdown_text import bold, inline, italic, paragraph

HOSTILE = [
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,AA)",
    "[x]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "a | b\n| c",
    "`code` ``` ~~~",
    "# no heading",
    "- no list",
    "1. no list",
    "> no quotation",
    "===",
    "* * *",
    "$x$ __b__ ~~s~~",
    "&lt;b&gt;",
    "\\[x](y)\\",
    "@",
    "a@b.co",
]
parts = st.sampled_from(
    [*HOSTILE, "[", "](", ")", "*", "_", "`", "|", "<", ">", "\\", "&", "a", " ", "\n", "#", "-", "1."]
)
texts = st.lists(parts, max_size=5).map("".join) | st.text(max_size=20)


def shown(markdown: str) -> tuple[str, set[str]]:
    """The text that a page shows, and the kinds of markup in it."""
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(markdown)
    kinds = {token.type for token in tokens}
    leaves = [leaf for token in tokens for leaf in token.children or []]
    # Comments are not shown.
    leaves = [leaf for leaf in leaves if leaf.content != "<!-- -->"]
    return "".join(leaf.content for leaf in leaves), kinds | {leaf.type for leaf in leaves}


@given(texts)
@example("a_b_ _c_")
def test_a_paragraph_is_nothing_but_its_text(text: str) -> None:
    found, kinds = shown(paragraph(text))
    assert kinds <= {"paragraph_open", "inline", "paragraph_close", "text", "text_special", "entity"}
    if text.isprintable():
        assert found == " ".join(text.split())


@given(texts, texts)
def test_a_cell_stays_in_its_table(first: str, second: str) -> None:
    _, kinds = shown(f"| a | b |\n| --- | --- |\n| {inline(first)} | {inline(second)} |")
    assert "html_inline" not in kinds
    assert "link_open" not in kinds
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(f"| a | b |\n| --- | --- |\n| {inline(first)} | x |")
    assert sum(token.type == "td_open" for token in tokens) == 2
    assert [token.content for token in tokens if token.type == "inline"][-1] == "x"


@pytest.mark.parametrize("text", ["see https://x.org/a", "HTTP://x", "www.x.org"])
def test_addresses_do_not_become_links(text: str) -> None:
    written = inline(text)
    assert not re.search(r"://|www\.", written, re.IGNORECASE)
    assert shown(written)[0] == text


@pytest.mark.parametrize("text", ["me@example.org", "by @someone", "xmpp:a@b.co/c", "\u8bbd@x.org", "a@@b.co", "3 @ 4"])
def test_addresses_of_mail_and_users_do_not_become_links(text: str) -> None:
    written = inline(text)
    assert not re.search(r"@\w", written)
    assert shown(written)[0] == text


@pytest.mark.parametrize("text", ["a\u2028b\u2029c", "a\u0085b\x0bc", "a\ud83db \udcffc"])
def test_line_separators_and_halves_of_characters_are_spaces(text: str) -> None:
    assert inline(text) == "a b c"


def test_markup_of_our_own_is_not_escaped_again() -> None:
    assert bold("a*b") == r"**a\*b**"
    assert inline(italic("macro_f1 | x")) == r"*macro_f1 \| x*"
