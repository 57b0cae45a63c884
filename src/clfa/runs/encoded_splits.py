"""Encoding of corpus splits: tokens and images, or cached features of fully frozen encoders."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from clfa.data import Corpus
from clfa.guides import Guide
from clfa.modeling.baselines.base import require_several_images
from clfa.processing.biases import WordPairBiases
from clfa.processing.dataset import EncodedDataset
from clfa.recipe import Recipe
from clfa.runs.encoders import Encoders
from clfa.runs.guide import split_pairs
from clfa.store import ABSENT_KEY, KEY_BYTES, FeatureStore, text_key


def cache_features(recipe: Recipe, corpus: Corpus, encoders: Encoders) -> None:
    """Compute and cache the token features of fully frozen encoders for all splits."""
    for split in corpus.splits.values():
        _cached_features(recipe, split, encoders)
        _cached_knowledge(recipe, split, encoders)


def encode_split(
    recipe: Recipe,
    split: Dataset,
    encoders: Encoders,
    guide: Guide | None = None,
    student_rows: np.ndarray | None = None,
) -> EncodedDataset:
    """Return a split for training or evaluation, with cached features of fully frozen encoders.

    Args:
        recipe: The run's recipe.
        split: Rows in the schema.
        encoders: Encoders of the run or of the trained model.
        guide: Guide whose embeddings are added, for training.
        student_rows: Result of :func:`clfa.runs.student_rows.student_rows`, for training.
    """
    keys = encoders.keys(split)
    text_features, image_features = _cached_features(recipe, split, encoders)
    knowledge_features, knowledge_keys = _cached_knowledge(recipe, split, encoders)
    return EncodedDataset(
        split,
        encoders.processor,
        text_features=text_features,
        image_features=image_features,
        text_keys=keys.text,
        image_keys=keys.image,
        guide_embeds=None if guide is None else _guide_embeds(recipe, split, encoders, guide),
        use_knowledge=recipe.model.use_knowledge,
        knowledge_features=knowledge_features,
        knowledge_keys=knowledge_keys,
        biases=_biases(recipe, split, encoders),
        student_rows=student_rows,
    )


def _cached_features(
    recipe: Recipe, split: Dataset, encoders: Encoders
) -> tuple[FeatureStore | None, FeatureStore | None]:
    """Return the stores of text and image token features; ``None`` if the encoder itself must run.

    Raises:
        ModelError: If a sample has several images and the baseline reads only one.
    """
    model = recipe.model
    keys = encoders.keys(split)
    if any(len(key) > KEY_BYTES for key in keys.image):
        require_several_images(model.baseline, encoders.vision_encoder.config)
    stores: list[FeatureStore | None] = []
    for encoder, frozen, column, content_keys in (
        (encoders.text, model.freeze_text_encoder, "text", keys.text),
        (encoders.image, model.freeze_vision_encoder, "image", keys.image),
    ):
        if encoder is None or frozen is not True or not recipe.training.cache_features:
            stores.append(None)
            continue
        encoder.ensure_tokens(split[column][:], content_keys)
        stores.append(encoder.tokens)
    return stores[0], stores[1]


def _cached_knowledge(
    recipe: Recipe, split: Dataset, encoders: Encoders
) -> tuple[FeatureStore | None, list[bytes] | None]:
    """Return the store and keys of knowledge token features; ``None`` if the encoder itself must run."""
    model = recipe.model
    frozen = model.freeze_text_encoder is True and recipe.training.cache_features
    if not (model.use_knowledge and frozen) or encoders.knowledge is None:
        return None, None
    texts = split["knowledge"][:]
    keys = [text_key(text) if text else ABSENT_KEY for text in texts]
    encoders.knowledge.ensure_tokens(texts, keys)
    return encoders.knowledge.tokens, keys


def _guide_embeds(recipe: Recipe, split: Dataset, encoders: Encoders, guide: Guide) -> tuple[np.ndarray, np.ndarray]:
    texts, images = guide.embed_pairs(split_pairs(split, encoders), encoders.cache)
    if recipe.guide.shuffle:
        order = np.random.default_rng(recipe.seed).permutation(len(split))
        return texts[order], images[order]
    return texts, images


def _biases(recipe: Recipe, split: Dataset, encoders: Encoders) -> WordPairBiases | None:
    if not recipe.model.use_knowledge or encoders.processor.word_graphs is None:
        return None
    return WordPairBiases(encoders.processor, split["text"][:], split["knowledge"][:], encoders.cache)
