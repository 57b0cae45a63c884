"""Attention biases from word-pair graphs, which are cached on disk by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from clfa.knowledge.words import Pieces
from clfa.processing.processor import CLFAProcessor
from clfa.processing.tokenizers import tokenizer_digest
from clfa.progress import track
from clfa.store import ABSENT_KEY, FeatureStore, text_key

# Increase when the format of stored graphs changes, so that old caches are not used.
_FORMAT = 1
# Samples per write.
_CHUNK = 256
_WIDTH = 3

# Weight of a graph, its store, and the key of each sample.
_WeightedStore = tuple[float, FeatureStore, list[bytes]]


class WordPairBiases:
    """Biases of N samples, as triples of row, column and weighted value (pairs, 3).

    Args:
        processor: A processor with word graphs of nonzero weight.
        texts: N texts; ``None`` or empty for a sample without text.
        knowledge: N knowledge texts; ``None`` or empty for a sample without one. ``None`` without a knowledge stream.
        cache: Cache directory.
    """

    def __init__(
        self,
        processor: CLFAProcessor,
        texts: Sequence[str | None],
        knowledge: Sequence[str | None] | None,
        cache: Path,
    ) -> None:
        graphs = processor.word_graphs
        assert graphs is not None
        knowledge = [None] * len(texts) if knowledge is None else list(knowledge)
        samples = list(zip(texts, knowledge, strict=True))
        self._text: list[_WeightedStore] = []
        self._pair: list[_WeightedStore] = []
        if graphs.gamma and graphs.lexicon is not None:
            store = _store(processor, cache, "affective-self", graphs.lexicon.fingerprint)
            self._text.append((graphs.gamma, store, [text_key(text) if text else ABSENT_KEY for text in texts]))
            _ensure(store, self._text[-1][2], samples, processor, lambda text, _: graphs.affective_self(text))
        pair_keys = [_pair_key(text, extra) for text, extra in samples]
        if graphs.lambda1 and graphs.lexicon is not None:
            store = _store(processor, cache, "affective-pair", graphs.lexicon.fingerprint)
            self._pair.append((graphs.lambda1, store, pair_keys))
            _ensure(store, pair_keys, samples, processor, graphs.affective)
        if graphs.lambda2 and graphs.antonyms is not None:
            store = _store(processor, cache, "antonym-pair", graphs.antonyms.fingerprint)
            self._pair.append((graphs.lambda2, store, pair_keys))
            _ensure(store, pair_keys, samples, processor, graphs.antonym)

    @property
    def has_text(self) -> bool:
        """Whether there are biases of text self-attention."""
        return bool(self._text)

    @property
    def has_knowledge(self) -> bool:
        """Whether there are biases of text-knowledge attention."""
        return bool(self._pair)

    def text(self, index: int) -> np.ndarray:
        """Return the bias of one sample's text self-attention (pairs, 3)."""
        return _weighted(self._text, index)

    def pair(self, index: int) -> np.ndarray:
        """Return the bias of one sample's text-knowledge attention (pairs, 3); no pairs without knowledge."""
        return _weighted(self._pair, index)


def _store(processor: CLFAProcessor, cache: Path, kind: str, source: str) -> FeatureStore:
    lengths = [processor.max_length, processor.knowledge_max_length]
    settings = json.dumps([_FORMAT, source, tokenizer_digest(processor.tokenizer), lengths])
    name = hashlib.blake2b(settings.encode(), digest_size=16).hexdigest()
    return FeatureStore(cache / "graphs" / f"{kind}-{name}", _WIDTH, "float32")


def _ensure(
    store: FeatureStore,
    keys: list[bytes],
    samples: list[tuple[str | None, str | None]],
    processor: CLFAProcessor,
    graph: Callable[[Pieces, Pieces], np.ndarray],
) -> None:
    absent = store.missing(keys)
    with track(len(absent), "word graphs") as advance:
        for start in range(0, len(absent), _CHUNK):
            chunk = absent[start : start + _CHUNK]
            texts = processor.pieces([samples[i][0] for i in chunk])
            knowledge = processor.pieces([samples[i][1] for i in chunk], processor.knowledge_max_length)
            store.add((keys[i], graph(a, b)) for i, a, b in zip(chunk, texts, knowledge, strict=True))
            advance(len(chunk))


def _pair_key(text: str | None, knowledge: str | None) -> bytes:
    # The length makes the key of the joined texts unambiguous.
    return text_key(f"{len(text)} {text}{knowledge}") if text and knowledge else ABSENT_KEY


def _weighted(parts: Sequence[_WeightedStore], index: int) -> np.ndarray:
    weight = np.ones(_WIDTH, np.float32)
    triples = [np.empty((0, _WIDTH), np.float32)]
    for value, store, keys in parts:
        weight[2] = value
        if keys[index] != ABSENT_KEY:
            triples.append(store[keys[index]] * weight)
    return np.concatenate(triples)
