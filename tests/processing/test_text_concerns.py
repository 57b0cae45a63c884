from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from clfa.processing.text_concerns import text_concerns
from clfa.processing.unknown_tokens import UnknownTokens

UNK, CLS, SEP, PAD = 0, 1, 2, 3


class Tokenizer:
    """Tokens: known words, single letters of Cyrillic, or unknown."""

    unk_token_id, bos_token_id, eos_token_id, pad_token_id, cls_token_id = UNK, None, None, PAD, CLS
    all_special_ids = (UNK, CLS, SEP, PAD)

    def ids(self, text: str) -> list[int]:
        found = [CLS]
        for word in text.split():
            if word.isascii():
                found.append(10 + len(word))
            else:
                found += [200 + ord(one) % 50 if "\u0400" <= one <= "\u04ff" else UNK for one in word]
        return [*found, SEP]

    def __call__(self, texts: list[str], truncation: bool) -> dict[str, Any]:
        assert not truncation
        return {"input_ids": [self.ids(text) for text in texts]}


def _concerns(*texts: str, max_length: int = 77) -> list[str]:
    processor: Any = SimpleNamespace(tokenizer=Tokenizer(), max_length=max_length)
    return text_concerns(processor, [*texts] * 5)


def test_nothing_is_said_of_known_words() -> None:
    assert _concerns("what a sunny day", "", "rain again 😀") == []
    assert text_concerns(SimpleNamespace(tokenizer=None), ["a"]) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "why", "encoder"),
    [
        ("今天 天气 很好 ok", "86% of the tokens of the training texts are unknown to the text encoder", "hfl/chinese"),
        ("привет как дела сегодня", "The text encoder cuts the words of the training texts into", "multilingual"),
        ("नमस्ते दुनिया कैसे", "100% of the tokens", "distilbert/distilbert-base-multilingual-cased"),
    ],
)
def test_a_language_that_the_encoder_does_not_know(text: str, why: str, encoder: str) -> None:
    (found,) = _concerns(text)
    assert found.startswith(why)
    assert f"model.text_encoder={encoder}" in found or encoder in found


def test_emoji_are_no_language() -> None:
    assert _concerns("yes 😀😀 well 🎉 done 😀 again 🎉🎉 and 😀") == []


def test_characters_cut_into_bytes() -> None:
    counts = UnknownTokens(Tokenizer())
    counts.add(["오늘날씨"], [range(20, 32)])
    assert "into single characters" in str(counts.concern("posts"))
    counts.clear()
    counts.add(["오늘날씨오늘날씨오늘"], [range(20, 30)])
    assert counts.concern("posts") is None


def test_a_few_foreign_posts_are_no_concern() -> None:
    assert _concerns(*["what a sunny day"] * 20, "今天 天气") == []


def test_short_texts_say_little() -> None:
    counts = UnknownTokens(Tokenizer())
    counts.add(["今天"], [[UNK] * 9])
    assert counts.concern("posts") is None
    counts.add([None, "今"], [[], [CLS, UNK, SEP, PAD]])
    assert (counts.tokens, counts.unknown) == (10, 10)
    assert "of the posts" in str(counts.concern("posts"))


def test_the_unknown_token_of_a_tokenizer_of_bytes_is_its_end() -> None:
    tokenizer: Any = SimpleNamespace(
        unk_token_id=9, bos_token_id=8, eos_token_id=9, pad_token_id=9, cls_token_id=None, all_special_ids=[8, 9]
    )
    counts = UnknownTokens(tokenizer)
    counts.add(["今天天气"], [[8, *range(20, 32), 9, 9]])
    assert (counts.tokens, counts.unknown) == (12, 0)


def test_many_texts_are_cut() -> None:
    (found,) = _concerns("aaa bbb ccc ddd eee fff", "aaa", max_length=6)
    assert found.startswith("50% of the training texts have more than 6 tokens and are cut; model.max_length")
    assert _concerns("aaa bbb ccc ddd eee fff", *["aaa"] * 9, max_length=6) == []
