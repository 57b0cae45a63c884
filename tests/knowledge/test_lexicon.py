from __future__ import annotations

from clfa.knowledge.lexicon import Lexicon


def test_the_longest_concept_wins() -> None:
    lexicon = Lexicon("tiny", {"good": 0.5, "good luck": 0.9, "good luck charm": -0.2, "luck": 0.1, "can't stand": -1})
    assert lexicon(["Good"]) == [0.5]
    assert lexicon(["good", "luck", "luck"]) == [0.9, 0.9, 0.1]
    assert lexicon(["good", "luck", "CHARM", "x"]) == [-0.2, -0.2, -0.2, None]
    assert lexicon(["good", "charm"]) == [0.5, None]
    assert lexicon(["can’t", "stand"]) == [-1, -1]
    assert lexicon([]) == []


def test_a_polarity_of_minus_one_is_known() -> None:
    assert Lexicon("tiny", {"awful": -1.0})(["awful", "x"]) == [-1.0, None]


def test_fingerprint_is_of_the_content() -> None:
    one = Lexicon("a", {"good": 0.5, "bad": -0.5})
    assert one.fingerprint == Lexicon("b", {"bad": -0.5, "good": 0.5}).fingerprint
    assert one.fingerprint != Lexicon("a", {"good": 0.5, "bad": -0.6}).fingerprint
    assert len(one) == 2
