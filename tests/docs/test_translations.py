"""The Chinese pages have the commands, the code and the figures of the English ones."""

from __future__ import annotations

import re
import shlex

import pytest
from blocks import ROOT, blocks

PAIRS = {
    "README.md": "README.zh-CN.md",
    "docs/first-model.md": "docs/zh/first-model.md",
    "docs/own-table.md": "docs/zh/own-table.md",
}
# The Chinese page of tables also has the section on Chinese posts, which is a page of its own in English.
TAKEN_FROM = {"docs/zh/own-table.md": "docs/languages.md"}


def commands(page: str) -> list[list[str]]:
    """Return the words of the commands of a page, without comments."""
    return [shlex.split(line, comments=True) for block in blocks("sh", pages=[page]) for line in block.commands]


def code(page: str) -> list[str]:
    """Return the Python of a page without comments."""
    return [re.sub(r"\s*#.*", "", block.text) for block in blocks("python", pages=[page])]


@pytest.mark.parametrize(("english", "chinese"), PAIRS.items())
def test_commands_and_code_are_the_same(english: str, chinese: str) -> None:
    expected = commands(english)
    found = commands(chinese)
    taken = commands(TAKEN_FROM[chinese]) if chinese in TAKEN_FROM else []
    assert [words for words in found if words in expected] == expected
    assert [words for words in found if words not in expected and words not in taken] == []
    assert code(chinese) == code(english)


def test_the_readme_has_the_same_figures() -> None:
    english, chinese = (
        sorted(re.findall(r"\d+\.\d+", (ROOT / page).read_text(encoding="utf-8")))
        for page in ("README.md", "README.zh-CN.md")
    )
    assert chinese == english
    assert len(english) > 80


@pytest.mark.parametrize(("chinese", "source"), TAKEN_FROM.items())
def test_the_recipe_for_chinese_posts_is_the_same(chinese: str, source: str) -> None:
    (expected,), (found,) = (blocks("yaml", pages=[page]) for page in (source, chinese))
    without = [re.sub(r"(?m)^description: .*\n", "", block.text) for block in (expected, found)]
    assert without[0] == without[1]


@pytest.mark.parametrize(("english", "chinese"), PAIRS.items())
def test_each_leads_to_the_other(english: str, chinese: str) -> None:
    for page, other in ((english, chinese), (chinese, english)):
        first_lines = (ROOT / page).read_text(encoding="utf-8").splitlines()[:4]
        links = re.findall(r"\]\(([^)]+)\)", "\n".join(first_lines))
        assert (ROOT / other).resolve() in [(ROOT / page).parent.joinpath(link).resolve() for link in links]
