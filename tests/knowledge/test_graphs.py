from __future__ import annotations

from math import exp
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clfa.errors import RecipeError
from clfa.knowledge.antonyms import Antonyms
from clfa.knowledge.graphs import WordGraphs, affective_graph, antonym_graph, spread
from clfa.knowledge.lexicon import Lexicon
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.knowledge.words import Pieces

LEXICON = Lexicon("tiny", {"good": 0.5, "bad": -0.5, "great": 0.8})


def make_pieces(words: list[str], word_of: list[int]) -> Pieces:
    return Pieces(words, np.array(word_of), np.array(word_of) < 0)


def test_affective_graph_worked_by_hand() -> None:
    # good 0.5, day unknown, bad -0.5, great 0.8:
    #   good-bad    |0.5 - -0.5| * exp(0.25)  = 1.0 * 1.284025 = 1.284025
    #   good-great  |0.5 - 0.8|  * exp(-0.4)  = 0.3 * 0.670320 = 0.201096
    #   bad-great   |-0.5 - 0.8| * exp(0.4)   = 1.3 * 1.491825 = 1.939372
    polarities = LEXICON(["good", "day", "bad", "great"])
    expected = [
        [0, 0, 1.284025, 0.201096],
        [0, 0, 0, 0],
        [1.284025, 0, 0, 1.939372],
        [0.201096, 0, 1.939372, 0],
    ]
    np.testing.assert_allclose(affective_graph(polarities, polarities), expected, atol=1e-6)


def test_affective_graph_between_two_texts() -> None:
    graph = affective_graph(LEXICON(["good", "day"]), LEXICON(["so", "bad", "good"]))
    np.testing.assert_allclose(graph, [[0, 1.284025, 0], [0, 0, 0]], atol=1e-6)
    assert affective_graph([], [0.5]).shape == (0, 1)


@given(st.lists(st.none() | st.floats(-1, 1), max_size=6), st.lists(st.none() | st.floats(-1, 1), max_size=6))
def test_affective_graph_by_its_formula(first: list[float | None], second: list[float | None]) -> None:
    graph = affective_graph(first, second)
    assert graph.shape == (len(first), len(second))
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            expected = 0.0 if a is None or b is None else abs(a - b) * exp(-a * b)
            assert graph[i, j] == pytest.approx(expected)


def test_antonym_graph(wordnet_dir: Path) -> None:
    pytest.importorskip("nltk")
    antonyms = Antonyms.load(str(wordnet_dir))
    graph = antonym_graph(["man", "so", "love"], ["woman", "person", "man", "hate"], antonyms)
    # man-hate and love-woman, love-man: one path of 1/4 each way, see test_antonyms.
    expected = [[1, 0, 1 / 3, 1 / 4], [0, 0, 0, 0], [1 / 4, 0, 1 / 4, 1]]
    np.testing.assert_allclose(graph, expected)


def test_graphs_are_spread_over_word_pieces() -> None:
    first = make_pieces(["so", "bad"], [-1, 0, 1, 1, -1])
    second = make_pieces(["good"], [-1, 0, 0, -1])
    triples = spread(np.array([[0.0], [2.5]]), first, second)
    assert triples.dtype == np.float32
    assert triples.tolist() == [[2, 1, 2.5], [2, 2, 2.5], [3, 1, 2.5], [3, 2, 2.5]]


def test_special_tokens_get_one_on_their_own_diagonal() -> None:
    text = make_pieces(["good", "bad"], [-1, 0, 1, 1, -1])
    graphs = WordGraphs(KnowledgeRecipe(gamma=0.5, lambda1=1), LEXICON, None)
    dense = np.zeros((5, 5))
    for row, column, value in graphs.affective_self(text):
        dense[int(row), int(column)] += value
    g = 1.284025
    expected = [[1, 0, 0, 0, 0], [0, 0, g, g, 0], [0, g, 0, 0, 0], [0, g, 0, 0, 0], [0, 0, 0, 0, 1]]
    np.testing.assert_allclose(dense, expected, atol=1e-6)
    # A graph between two texts has no such diagonal.
    assert graphs.affective(text, make_pieces(["day"], [-1, 0, -1])).shape == (0, 3)


def test_only_what_has_a_weight_is_loaded(wordnet_dir: Path) -> None:
    pytest.importorskip("nltk")
    # A lexicon that would be an error.
    recipe = KnowledgeRecipe(lexicon="senticnet", lambda2=1, wordnet_path=str(wordnet_dir))
    graphs = WordGraphs.from_recipe(recipe)
    assert graphs.lexicon is None
    assert graphs.antonyms is not None
    assert graphs.fingerprint == graphs.antonyms.fingerprint
    with pytest.raises(RecipeError, match="lexicon_path"):
        WordGraphs.from_recipe(recipe.model_copy(update={"lambda1": 1.0}))
    with pytest.raises(RecipeError, match="unknown lexicon 'vadar'"):
        WordGraphs.from_recipe(KnowledgeRecipe(lexicon="vadar", gamma=1))
