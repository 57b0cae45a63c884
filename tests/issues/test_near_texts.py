from __future__ import annotations

from clfa.issues.near_texts import bare_text, near_texts


def test_bare_text() -> None:
    assert bare_text("@ann So  SUNNY!! https://t.co/x1") == "so sunny"
    assert bare_text("<user> it 's fine # fine http : / / x") == "it s fine fine"
    assert bare_text("so <user> and @bob_1 said_it") == "so and said it"
    assert bare_text("RT @ann: the art rt") == "the art rt"
    assert bare_text("…!?") == ""
    assert bare_text(None) == ""


def test_equal_but_for_names_addresses_and_case() -> None:
    texts = ["RT @ann: what a day", "other words here", "rt @bob what a DAY https://t.co/1", "What a day", "!!", "??"]
    assert near_texts(texts) == [(0, 2), (0, 3)]
    assert near_texts(["RT @ann: ????", "rt @bob ??"]) == []


def test_copies_of_one_text_are_connected_through_the_first() -> None:
    assert near_texts(["a b", "x y", "A b!", "a, b"]) == [(0, 2), (0, 3)]


def test_similar_texts_by_their_five_grams() -> None:
    # 40 different characters have 36 5-grams; a change at the end leaves 35 of 37 in common, in the middle 31 of 41.
    text = "abcdefghijklmnopqrstuvwxyz0123456789äöüé"
    end, middle = text[:-1] + "x", text[:20] + "x" + text[21:]
    assert near_texts([text, end]) == [(0, 1)]
    assert near_texts([text, middle]) == []
    assert near_texts([text, middle], threshold=31 / 41) == [(0, 1)]
    assert near_texts([text, middle], threshold=31 / 41 + 1e-6) == []
    assert near_texts(["unrelated words", text, "more of them", end]) == [(1, 3)]


def test_short_texts_are_compared_whole() -> None:
    assert near_texts(["lol", "LOL", "lal"]) == [(0, 1)]
    assert near_texts([]) == []
