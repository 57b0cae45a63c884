"""From a recipe and a corpus to data sets that a model can read."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from clfa.data import READERS, Corpus, read_corpus
from clfa.data.images import image_key
from clfa.data.splits import subset
from clfa.data.validation import check_classes, validate
from clfa.errors import DataError, RecipeError
from clfa.guides import GUIDES, Guide, GuideContext, RetrievalReport, retrieval_report
from clfa.guides.base import Pairs
from clfa.knowledge import LEXICONS, SOURCES
from clfa.knowledge.texts import KnowledgeTexts
from clfa.modeling.alignment import ALIGNMENTS
from clfa.modeling.baselines import BASELINES
from clfa.modeling.encoders import load_encoder
from clfa.modeling.frozen_encoder import FrozenEncoder
from clfa.modeling.fusion import FUSIONS
from clfa.pretrained import cache_dir
from clfa.processing.biases import WordPairBiases
from clfa.processing.dataset import EncodedDataset
from clfa.processing.processor import CLFAProcessor
from clfa.recipe import Recipe
from clfa.store import ABSENT_KEY, FeatureStore, text_key
from clfa.targets.spec import TargetSpec
from clfa.targets.target import Target

logger = logging.getLogger(__name__)


def load_corpus(
    recipe: Recipe,
    *,
    strict: bool = False,
    source: Any = None,
    label_names: list[str] | None = None,
    targets: Sequence[Target] = (),
    cache: Path | None = None,
) -> Corpus:
    """Read and validate what the recipe names, with the knowledge it asks for.

    Args:
        recipe: Its ``data`` section, and whether its model reads images.
        strict: Whether the first bad sample is an error instead of being counted and left out.
        source: Data instead of ``recipe.data.dir``, for readers that take tables from memory.
        label_names: Classes of a trained model, for readers that would otherwise infer them from the data at hand.
        targets: Targets of a trained model, for the same reason.
        cache: Cache directory.

    Raises:
        DataError: When the data cannot be used.
        RecipeError: When no data directory is known, or a knowledge source cannot work.
        ModelError: When a knowledge source's model cannot be loaded.
    """
    data = recipe.data
    place = source if source is not None else data.dir
    if place is None:
        raise RecipeError("no data: give --data-dir (or data.dir in the recipe).")
    options = dict(data.options)
    if data.fold is not None:
        options["fold"] = data.fold
    known = inspect.signature(READERS.get(data.reader)).parameters
    if specs := data.target_specs:
        if "targets" not in known:
            raise RecipeError(
                f"the {data.reader} reader has one label per sample; data.targets and data.problem_type need the table "
                "or hub reader."
            )
        options.pop("label_names", None)
        options["targets"] = _with_classes(specs, targets)
    elif label_names is not None and "label_names" in known:
        options.setdefault("label_names", label_names)
    corpus = read_corpus(data.reader, place, **options)
    reads_images = recipe.model.vision_encoder is not None
    if reads_images and not corpus.has_images:
        raise DataError(
            f"{corpus.name} in {place} has no images, and the recipe's model reads them. "
            "Set model.vision_encoder=null for a text-only model."
        )
    corpus = validate(
        corpus,
        check_images=reads_images,
        allow_missing=recipe.model.allow_missing_modalities and reads_images and recipe.model.text_encoder is not None,
        strict=strict,
        cache=cache_dir() / "decodable-images.json",
    )
    if data.limit is not None:
        corpus = subset(corpus, data.limit, recipe.seed)
    if recipe.model.use_knowledge:
        corpus = KnowledgeTexts(recipe.knowledge, cache or cache_dir()).fill(corpus)
    return corpus


def _with_classes(specs: Mapping[str, TargetSpec], targets: Sequence[Target]) -> dict[str, TargetSpec]:
    """``specs`` with the classes of a trained model's targets, in their order."""
    classes = {target.name: list(target.label_names) for target in targets if target.label_names}
    return {
        name: spec.model_copy(update={"label_names": classes[name]}) if name in classes else spec
        for name, spec in specs.items()
    }


def corpus_key(recipe: Recipe) -> str:
    """Equal for recipes that :func:`load_corpus` gives the same corpus for.

    Everything counts but what is known not to: training, guide, the model beyond its modalities.
    """
    content = recipe.model_dump(exclude={"name", "description", "seed", "model", "guide", "training"})
    model = recipe.model
    content["model"] = [model.text_encoder is not None, model.vision_encoder is not None, model.use_knowledge]
    content["model"].append(model.allow_missing_modalities)
    content["seed"] = recipe.seed if recipe.data.limit is not None else None
    return json.dumps(content, sort_keys=True, default=str)


def check_names(recipe: Recipe) -> None:
    """Check what the recipe calls by name, before any work is done.

    Raises:
        RecipeError: When a reader, fusion, alignment, baseline, guide, knowledge source or lexicon of that name does
            not exist.
    """
    READERS.get(recipe.data.reader)
    FUSIONS.get(recipe.model.fusion)
    ALIGNMENTS.get(recipe.model.alignment)
    if recipe.model.baseline is not None:
        BASELINES.get(recipe.model.baseline)
    if recipe.guide.name != "none":
        GUIDES.get(recipe.guide.name)
    if recipe.model.use_knowledge:
        for name in recipe.knowledge.sources:
            SOURCES.get(name)
        LEXICONS.get(recipe.knowledge.lexicon)


@dataclass
class Keys:
    """Content keys of one split's samples, empty for a modality that nothing needs keys of."""

    text: list[bytes] = field(default_factory=list)
    image: list[bytes] = field(default_factory=list)


class Preparation:
    """Encoders as they are before training, their feature caches, the guide, and data sets made with them.

    Args:
        recipe: The run's recipe.
        corpus: Its data.
        encoders: Text and vision encoder to use; loaded by the recipe when not given (a trained model's own otherwise).
        processor: To use instead of the encoders' own.
        cache: Cache directory.

    Raises:
        ModelError: When an encoder cannot be loaded.
    """

    def __init__(
        self,
        recipe: Recipe,
        corpus: Corpus,
        *,
        encoders: tuple[Any, Any] | None = None,
        processor: CLFAProcessor | None = None,
        cache: Path | None = None,
    ) -> None:
        self.recipe, self.corpus = recipe, corpus
        self.cache = cache or cache_dir()
        model = recipe.model
        self.processor = processor or CLFAProcessor.from_encoders(
            model.text_encoder,
            model.vision_encoder,
            max_length=model.max_length,
            knowledge_max_length=model.knowledge_max_length,
            knowledge=recipe.knowledge if model.use_knowledge else None,
        )
        if encoders is None:
            encoders = (
                None if model.text_encoder is None else load_encoder(model.text_encoder, "text"),
                None if model.vision_encoder is None else load_encoder(model.vision_encoder, "vision"),
            )
        self.text_encoder: Any = encoders[0]
        self.vision_encoder: Any = encoders[1]
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.text = self._frozen("text", self.text_encoder, device)
        self.image = self._frozen("image", self.vision_encoder, device)
        self._knowledge: FrozenEncoder | None = None
        self._keys: dict[int, Keys] = {}

    def _frozen(self, modality: str, encoder: Any, device: str, max_length: int | None = None) -> FrozenEncoder | None:
        if encoder is None:
            return None
        grid_size = self.recipe.model.image_grid_size if modality == "image" else None
        return FrozenEncoder(
            modality, encoder.to(device), self.processor, self.cache, grid_size=grid_size, max_length=max_length
        )

    def keys(self, split: Dataset) -> Keys:
        """Content keys of a split, computed once."""
        if id(split) not in self._keys:
            self._keys[id(split)] = Keys(
                [text_key(text) if text else ABSENT_KEY for text in split["text"][:]] if self.text is not None else [],
                [ABSENT_KEY if image is None else image_key(image) for image in split["image"][:]]
                if self.image is not None
                else [],
            )
        return self._keys[id(split)]

    def pairs(self, split: Dataset) -> Pairs:
        """A split as unlabelled pairs."""
        keys = self.keys(split)
        return Pairs(split["text"][:], split["image"][:], keys.text, keys.image)

    def guide(self) -> Guide | None:
        """The recipe's guide, made for this data; ``None`` for an unguided run.

        Raises:
            RecipeError: When the guide's name or options are wrong.
            DataError: When a guide has to be fitted and there are not enough pairs.
        """
        if not self.recipe.guided or not ALIGNMENTS.get(self.recipe.model.alignment).needs_guide:
            return None
        guide_class: type[Guide] = GUIDES.get(self.recipe.guide.name)
        context = GuideContext(
            cache=self.cache,
            text_encoder=self.recipe.model.text_encoder,
            vision_encoder=self.recipe.model.vision_encoder,
            text_features=self.text,
            image_features=self.image,
            pairs=self._fitting_pairs(),
            seed=self.recipe.seed,
        )
        return guide_class.from_context(context, **self.recipe.guide.options)

    def _fitting_pairs(self) -> Pairs | None:
        """Training pairs and unlabelled ones: never validation or test."""
        if self.text is None or self.image is None:
            return None
        pairs = self.pairs(self.corpus.splits["train"])
        if self.recipe.guide.use_unlabelled and self.corpus.unlabelled is not None and len(self.corpus.unlabelled):
            pairs = pairs + self.pairs(self.corpus.unlabelled)
        return pairs.complete()

    def guide_report(self, guide: Guide) -> RetrievalReport:
        """The guide's own retrieval on the validation pairs, which it was not fitted on; loud when near chance."""
        pairs = self.pairs(self.corpus.splits["validation"]).complete()
        if not len(pairs):
            raise DataError(f"{self.corpus.name}: no validation sample has both text and image to check the guide on.")
        report = retrieval_report(*guide.embed_pairs(pairs, self.cache))
        if report.near_chance:
            logger.warning(
                "THE GUIDE IS NEAR CHANCE (%s). Aligning to it will do harm: use another guide, fit it on more pairs, "
                "or train with model.alpha=0.",
                report,
            )
        return report

    def cache_features(self) -> None:
        """Compute the token features of wholly frozen encoders for all splits, so that no encoder runs twice."""
        for name in self.corpus.splits:
            self._cached_features(self.corpus.splits[name])
            self._cached_knowledge(self.corpus.splits[name])

    def _cached_features(self, split: Dataset) -> tuple[FeatureStore | None, FeatureStore | None]:
        """Text and image token features with those of the split in them; ``None`` where the encoder itself must run."""
        model = self.recipe.model
        keys = self.keys(split)
        stores: list[FeatureStore | None] = []
        for encoder, frozen, column, content_keys in (
            (self.text, model.freeze_text_encoder, "text", keys.text),
            (self.image, model.freeze_vision_encoder, "image", keys.image),
        ):
            if encoder is None or frozen is not True or not self.recipe.training.cache_features:
                stores.append(None)
                continue
            encoder.ensure_tokens(split[column][:], content_keys)
            stores.append(encoder.tokens)
        return stores[0], stores[1]

    def _cached_knowledge(self, split: Dataset) -> tuple[FeatureStore | None, list[bytes] | None]:
        """Token features of a split's knowledge texts and their keys; ``None`` where the encoder itself must run."""
        model = self.recipe.model
        frozen = model.freeze_text_encoder is True and self.recipe.training.cache_features
        if not (model.use_knowledge and frozen) or self.text is None:
            return None, None
        if self._knowledge is None:
            device = str(next(self.text_encoder.parameters()).device)
            self._knowledge = self._frozen("text", self.text_encoder, device, model.knowledge_max_length)
        assert self._knowledge is not None
        texts = split["knowledge"][:]
        keys = [text_key(text) if text else ABSENT_KEY for text in texts]
        self._knowledge.ensure_tokens(texts, keys)
        return self._knowledge.tokens, keys

    def _biases(self, split: Dataset) -> WordPairBiases | None:
        if not self.recipe.model.use_knowledge or self.processor.word_graphs is None:
            return None
        return WordPairBiases(self.processor, split["text"][:], split["knowledge"][:], self.cache)

    def dataset(self, split: Dataset, guide: Guide | None = None) -> EncodedDataset:
        """A split for training or evaluation, with cached features of wholly frozen encoders.

        Args:
            split: Rows in the schema.
            guide: Adds its embeddings, for training.
        """
        keys = self.keys(split)
        text_features, image_features = self._cached_features(split)
        knowledge_features, knowledge_keys = self._cached_knowledge(split)
        embeds: tuple[np.ndarray, np.ndarray] | None = None
        if guide is not None:
            embeds = guide.embed_pairs(self.pairs(split), self.cache)
            if self.recipe.guide.shuffle:
                order = np.random.default_rng(self.recipe.seed).permutation(len(split))
                embeds = embeds[0][order], embeds[1][order]
        return EncodedDataset(
            split,
            self.processor,
            text_features=text_features,
            image_features=image_features,
            text_keys=keys.text,
            image_keys=keys.image,
            guide_embeds=embeds,
            use_knowledge=self.recipe.model.use_knowledge,
            knowledge_features=knowledge_features,
            knowledge_keys=knowledge_keys,
            biases=self._biases(split),
        )


def require_splits(corpus: Corpus) -> None:
    """Check that a corpus can be trained on.

    Raises:
        DataError: When the training or validation split is missing or empty, or a class has no training sample.
    """
    for name in ("train", "validation"):
        if name not in corpus.splits or not len(corpus.splits[name]):
            dropped = f" Dropped so far: {corpus.dropped_counts()}." if corpus.dropped else ""
            raise DataError(f"{corpus.name} has no {name} samples.{dropped}")
    check_classes(corpus)
