from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfa.knowledge.hashtags import HashtagSource, hashtag_words
from clfa.knowledge.recipe import KnowledgeRecipe


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no tags at all", ""),
        ("rain #BestDayEver", "Best Day Ever"),
        ("#so_sunny #rain", "so sunny rain"),
        ("#USAToday2014", "USA Today 2014"),
        ("#2014WorldCup", "2014 World Cup"),
        ("#__init__ # #", "init"),
        ("#ÜberCool #straßeFrei", "Über Cool straße Frei"),
        ("＃GoodDay", "Good Day"),
    ],
)
def test_words(text: str, words: str) -> None:
    assert hashtag_words(text) == words


@given(st.text(alphabet="abAB12_# ", max_size=30))
def test_nothing_but_blanks_is_added_and_nothing_but_underscores_lost(text: str) -> None:
    import re

    tags = "".join(re.findall(r"#(\w+)", text)).replace("_", "")
    assert hashtag_words(text).replace(" ", "") == tags


def test_source() -> None:
    source = HashtagSource.from_recipe(KnowledgeRecipe())
    assert source.describe(["#SoGood", None, "x"]) == ["So Good", "", ""]
