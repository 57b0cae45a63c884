"""Words of hashtags: ``#SoSunny_today`` -> ``So Sunny today``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from clfa.knowledge.base import KnowledgeSource
from clfa.knowledge.recipe import KnowledgeRecipe

_HASHTAG = re.compile(r"[#＃](\w+)")
# Word borders: between a lower-case and an upper-case letter; before the last capital of a run that is followed by a
# lower-case letter (USAToday); between letters and digits.
_BORDER = re.compile(
    r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\d_A-Z])|(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)"
)


def hashtag_words(text: str) -> str:
    """Return the words of all hashtags of a text, in order.

    Args:
        text: Text of a post.

    Returns:
        Words separated by blanks; empty if there is no hashtag.

    Example:
        >>> hashtag_words("rain again #BestDayEver #so_sunny #USAToday2014")
        'Best Day Ever so sunny USA Today 2014'
    """
    tags = (_BORDER.sub(" ", tag).replace("_", " ") for tag in _HASHTAG.findall(text))
    return " ".join(" ".join(tags).split())


class HashtagSource(KnowledgeSource):
    """Words of the post's hashtags, split at capitals, digits and underscores; a lower-case tag stays one word."""

    name = "hashtags"
    reads = "text"

    @classmethod
    def from_recipe(cls, recipe: KnowledgeRecipe) -> HashtagSource:
        """See :meth:`KnowledgeSource.from_recipe`."""
        return cls()

    def describe(self, contents: Sequence[Any]) -> list[str]:
        """See :meth:`KnowledgeSource.describe`."""
        return [hashtag_words(content or "") for content in contents]
