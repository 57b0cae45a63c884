"""Word-pair graphs: which words of a post, or of a post and its knowledge, are at odds.

Source: CLFA (arXiv:2403.06355) compares itself with models enriched by such graphs; the definitions are those of the
authors' public code (``generate_graph.py``, ``utils.py``). There the affective graph is added to text self-attention
with weight gamma, and to text-knowledge attention the affective graph with lambda1 (their default mode), the antonym
graph with lambda2, or both; all three weights are 1 by default, and their run without graphs sets gamma = lambda1 = 0.
Differences here: no graph is the default; words are found with punctuation apart, not by blanks alone; a polarity of
exactly -1 counts (theirs is the mark of unknown words); [SEP] gets its 1 where it stands (theirs at the end of the
padding), and this 1 and that of [CLS] are weighted by gamma as is the graph (theirs are added after weighting).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clfa.knowledge import LEXICONS
from clfa.knowledge.antonyms import Antonyms
from clfa.knowledge.lexicon import Lexicon
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.knowledge.words import Pieces


def affective_graph(first: Sequence[float | None], second: Sequence[float | None]) -> np.ndarray:
    """``A_ij = |s_i - s_j| * exp(-s_i * s_j)`` for words whose polarities are both known, else 0.

    Large where two words disagree in sentiment. A word and itself get 0 by the formula.

    Args:
        first: N polarities from -1 to 1, ``None`` where unknown.
        second: M polarities.

    Returns:
        (N, M) in float64.

    Example:
        >>> affective_graph([0.5, None], [-0.5]).round(4).tolist()
        [[1.284], [0.0]]
    """
    a = np.array(first, dtype=float)[:, None]
    b = np.array(second, dtype=float)[None]
    return np.nan_to_num(np.abs(a - b) * np.exp(-a * b), nan=0.0)


def antonym_graph(first: Sequence[str], second: Sequence[str], antonyms: Antonyms) -> np.ndarray:
    """Antonymy (:class:`Antonyms`) of each word of one text and each of another.

    Args:
        first: N words.
        second: M words.
        antonyms: WordNet.

    Returns:
        (N, M) in float64.
    """
    graph = np.zeros((len(first), len(second)))
    columns = [j for j, word in enumerate(second) if antonyms.has_antonym(word)]
    for i, word in enumerate(first):
        if columns and antonyms.has_antonym(word):
            graph[i, columns] = [antonyms(word, second[j]) for j in columns]
    return graph


def spread(graph: np.ndarray, first: Pieces, second: Pieces) -> np.ndarray:
    """A graph over words spread over all pieces of the words: (T, M) pairs that are not 0.

    Args:
        graph: Over words (N, M).
        first: N words in T pieces.
        second: M words in K pieces.

    Returns:
        Triples row, column, value (pairs, 3) in float32.
    """
    # Pieces of no word, numbered -1, take the zeros of a last row and column.
    dense = np.pad(graph, ((0, 1), (0, 1)))[np.ix_(first.word_of, second.word_of)]
    return _triples(dense)


def _triples(dense: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(dense)
    return np.stack([rows, columns, dense[rows, columns]], axis=1).astype(np.float32)


class WordGraphs:
    """The graphs that a recipe gives a weight.

    Args:
        recipe: Its weights.
        lexicon: For the affective graphs; not needed without gamma and lambda1.
        antonyms: For the antonym graph; not needed without lambda2.
    """

    def __init__(self, recipe: KnowledgeRecipe, lexicon: Lexicon | None, antonyms: Antonyms | None) -> None:
        self.gamma, self.lambda1, self.lambda2 = recipe.gamma, recipe.lambda1, recipe.lambda2
        self.lexicon, self.antonyms = lexicon, antonyms

    @classmethod
    def from_recipe(cls, recipe: KnowledgeRecipe) -> WordGraphs:
        """Load what the weighted graphs need.

        Raises:
            RecipeError: When a lexicon is unknown, or an optional package or path is missing.
            DataError: When a lexicon or WordNet cannot be read.
        """
        lexicon = antonyms = None
        if recipe.gamma or recipe.lambda1:
            path = None if recipe.lexicon_path is None else Path(recipe.lexicon_path).expanduser()
            lexicon = LEXICONS.get(recipe.lexicon)(path)
        if recipe.lambda2:
            antonyms = Antonyms.load(recipe.wordnet_path)
        return cls(recipe, lexicon, antonyms)

    @property
    def fingerprint(self) -> str:
        """Of the lexicon and the WordNet, as far as they are loaded."""
        return "-".join(part.fingerprint for part in (self.lexicon, self.antonyms) if part is not None)

    def affective(self, first: Pieces, second: Pieces) -> np.ndarray:
        """Triples of the affective graph between two texts (pairs, 3)."""
        assert self.lexicon is not None
        return spread(affective_graph(self.lexicon(first.words), self.lexicon(second.words)), first, second)

    def affective_self(self, text: Pieces) -> np.ndarray:
        """The same within a text, with 1 on the diagonal of special tokens ([CLS], [SEP])."""
        marks = np.flatnonzero(text.special).astype(np.float32)
        diagonal = np.stack([marks, marks, np.ones_like(marks)], axis=1)
        return np.concatenate([self.affective(text, text), diagonal])

    def antonym(self, first: Pieces, second: Pieces) -> np.ndarray:
        """Triples of the antonym graph between two texts (pairs, 3)."""
        assert self.antonyms is not None
        return spread(antonym_graph(first.words, second.words, self.antonyms), first, second)
