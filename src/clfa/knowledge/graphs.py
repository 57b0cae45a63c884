"""Word-pair graphs: contrast between the words of a post, or between a post and its knowledge text.

Source: CLFA (arXiv:2403.06355) compares itself with models that use such graphs; the definitions follow the authors'
public code (``generate_graph.py``, ``utils.py``). There the affective graph is added to text self-attention with weight
gamma. To text-knowledge attention the code adds the affective graph with weight lambda1 (the default mode), the antonym
graph with weight lambda2, or both. All three weights are 1 by default; the run without graphs sets gamma = lambda1 = 0.

Differences here: the default is no graph. Punctuation is separated from words; the authors split at blanks only. A
polarity of exactly -1 counts; in the authors' code it marks unknown words. The diagonal 1 of [SEP] is at the position
of [SEP]; in the authors' code it is at the end of the padding. The diagonal 1s of [CLS] and [SEP] are weighted by gamma
like the graph; the authors add them after weighting.
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
    """Return ``A_ij = |s_i - s_j| * exp(-s_i * s_j)`` where both polarities are known, else 0.

    The value is large where two words differ in sentiment. For a word and itself the formula gives 0.

    Args:
        first: N polarities from -1 to 1, ``None`` if unknown.
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
    """Return the antonymy (:class:`Antonyms`) of each word of one text and each word of another.

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
    """Expand a graph over words to the word pieces (T, K); return the pairs that are not 0.

    Args:
        graph: Graph over words (N, M).
        first: N words in T pieces.
        second: M words in K pieces.

    Returns:
        Triples row, column, value (pairs, 3) in float32.
    """
    # Pieces of no word have number -1; they get the zeros of an extra last row and column.
    dense = np.pad(graph, ((0, 1), (0, 1)))[np.ix_(first.word_of, second.word_of)]
    return _triples(dense)


def _triples(dense: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(dense)
    return np.stack([rows, columns, dense[rows, columns]], axis=1).astype(np.float32)


class WordGraphs:
    """The graphs that have a weight in a recipe.

    Args:
        recipe: The recipe's ``knowledge`` section with the weights.
        lexicon: Lexicon of the affective graphs; not needed without gamma and lambda1.
        antonyms: WordNet of the antonym graph; not needed without lambda2.
    """

    def __init__(self, recipe: KnowledgeRecipe, lexicon: Lexicon | None, antonyms: Antonyms | None) -> None:
        self.gamma, self.lambda1, self.lambda2 = recipe.gamma, recipe.lambda1, recipe.lambda2
        self.lexicon, self.antonyms = lexicon, antonyms

    @classmethod
    def from_recipe(cls, recipe: KnowledgeRecipe) -> WordGraphs:
        """Load the lexicon and WordNet that the graphs need.

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
        """Fingerprint of the loaded lexicon and WordNet."""
        return "-".join(part.fingerprint for part in (self.lexicon, self.antonyms) if part is not None)

    def affective(self, first: Pieces, second: Pieces) -> np.ndarray:
        """Return the affective graph between two texts as triples (pairs, 3)."""
        assert self.lexicon is not None
        return spread(affective_graph(self.lexicon(first.words), self.lexicon(second.words)), first, second)

    def affective_self(self, text: Pieces) -> np.ndarray:
        """Return the affective graph within a text as triples, with diagonal 1 for special tokens ([CLS], [SEP])."""
        marks = np.flatnonzero(text.special).astype(np.float32)
        diagonal = np.stack([marks, marks, np.ones_like(marks)], axis=1)
        return np.concatenate([self.affective(text, text), diagonal])

    def antonym(self, first: Pieces, second: Pieces) -> np.ndarray:
        """Return the antonym graph between two texts as triples (pairs, 3)."""
        assert self.antonyms is not None
        return spread(antonym_graph(first.words, second.words, self.antonyms), first, second)
