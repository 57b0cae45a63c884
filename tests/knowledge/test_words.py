from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clfa.knowledge.words import align
from vocabularies import tiny_bert_tokenizer

TOKENIZER = tiny_bert_tokenizer()


def pieces(text: str, **options: object) -> tuple[list[str], list[int], list[bool], list[str]]:
    encoded = TOKENIZER(text, return_offsets_mapping=True, return_special_tokens_mask=True, **options)
    found = align(text, encoded["offset_mapping"], encoded["special_tokens_mask"])
    tokens = TOKENIZER.convert_ids_to_tokens(encoded["input_ids"])
    return found.words, found.word_of.tolist(), found.special.tolist(), tokens


def test_word_pieces_belong_to_their_word() -> None:
    words, word_of, special, tokens = pieces("So sad, what a day!")
    assert tokens == ["[CLS]", "so", "s", "##a", "##d", ",", "what", "a", "day", "!", "[SEP]"]
    assert words == ["So", "sad", ",", "what", "a", "day", "!"]
    assert word_of == [-1, 0, 1, 1, 1, 2, 3, 4, 5, 6, -1]
    assert special == [True, *[False] * 9, True]


def test_what_is_cut_off_has_no_words() -> None:
    words, word_of, _, tokens = pieces("so sad today", truncation=True, max_length=4)
    assert tokens == ["[CLS]", "so", "s", "[SEP]"]
    assert words == ["so", "sad"]
    assert word_of == [-1, 0, 1, -1]


def test_signs_and_apostrophes() -> None:
    assert align("don't stop-it :) #so_sunny", [(0, 26)], [0]).words == [
        "don't",
        "stop-it",
        ":)",
        "#",
        "so",
        "_",
        "sunny",
    ]


def test_nothing() -> None:
    found = align("", [(0, 0), (0, 0)], [1, 1])
    assert found.words == []
    assert found.word_of.tolist() == [-1, -1]


@given(st.text(alphabet="ab1' -_#:.é", max_size=25))
def test_every_piece_lies_in_its_word(text: str) -> None:
    encoded = TOKENIZER(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    found = align(text, encoded["offset_mapping"], encoded["special_tokens_mask"])
    for (start, stop), word, special in zip(encoded["offset_mapping"], found.word_of, found.special, strict=True):
        if special:
            assert word == -1
        elif stop > start:
            assert found.words[word][0] in text[:stop]
            assert set(text[start:stop]) & set(found.words[word])
