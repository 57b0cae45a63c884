"""A post that is asked about many times: what is the answer without one of its parts?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from clfa.errors import Argument, DataError, ModelError
from clfa.explaining.explanation import Without
from clfa.explaining.words import without_spans, word_spans
from clfa.modeling.encoders import encode_image, encode_text, pool_grid
from clfa.nearest import did_you_mean
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.targets.target import Target, logit_slices

# Words that are scored; a text encoder reads about as many.
MAX_WORDS = 128
# Cells of a picture along each side that are hidden one by one.
GRID = 3


class Probe:
    """One post and the class whose probability is explained, or the number.

    Encoders run once for what does not change between questions. Nothing of the classifier is changed, so that several
    threads may explain at the same time.

    Args:
        classifier: A trained model.
        post: The post.
        target: Name of the explained target; the first one when not given.
        label: The explained class; the predicted one when not given, of several the most probable.

    Raises:
        DataError: If the post cannot be predicted on.
        ModelError: If the model has no such target or class.
    """

    def __init__(
        self, classifier: PostClassifier, post: Post, target: str | None = None, label: str | None = None
    ) -> None:
        self.classifier, self.post = classifier, post
        self.target, self.columns = find_target(classifier, target)
        found = classifier.readable(post)
        self.text, self.pixels = found.text, found.pixels
        self.knowledge = classifier.knowledge_of(post, found.text)
        spans = word_spans(self.text or "") if classifier.processor.tokenizer is not None else []
        self.spans, self.words_left_out = spans[:MAX_WORDS], len(spans[MAX_WORDS:])
        self.logits = self._ask(self._inputs([self.text], True))[:, self.columns]
        if not np.isfinite(self.logits).all():
            raise DataError("the model's output is not a finite number")
        self.label = self._class_index(label)
        self.score = float(self.scores(self.logits)[0])

    @property
    def words(self) -> list[str]:
        """The words that are scored."""
        return [(self.text or "")[start:stop] for start, stop in self.spans]

    @property
    def has_regions(self) -> bool:
        """Whether the post has one picture."""
        return self.pixels is not None and self.pixels.ndim == 3

    @property
    def label_name(self) -> str | None:
        """The explained class; ``None`` for a number."""
        return None if self.label is None else self.target.label_names[self.label]

    def scores(self, logits: np.ndarray) -> np.ndarray:
        """Return the probability of the explained class, or the number, (N,).

        Args:
            logits: Outputs of the explained target (N, ``logit_width``).
        """
        kind = self.target.kind
        if self.label is None:
            return kind.values(logits)[:, 0]
        table = kind.probabilities(logits)
        assert table is not None
        found: np.ndarray = table[:, self.label]
        return found

    def without_words(self, hidden: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the scores (N,) without some words.

        Args:
            hidden: Positions of the words that are left out, for each of N texts.
        """
        text = self.text or ""
        texts = [without_spans(text, [self.spans[place] for place in places]) for places in hidden]
        return self._scores(self._inputs(part, False) for part in _parts(texts, self.classifier.batch_size))

    def without_cells(self, hidden: Sequence[np.ndarray]) -> np.ndarray:
        """Return the scores (N,) with some cells of the picture in its mean colour.

        Args:
            hidden: Whether each cell is hidden, rows from the top (G, G) bool, for each of N pictures.
        """
        assert self.pixels is not None
        mean = self.pixels.mean(axis=(1, 2), keepdims=True)
        pictures = []
        for cells in hidden:
            rows, columns = (
                np.arange(size) * side // size for size, side in zip(self.pixels.shape[1:], cells.shape, strict=True)
            )
            pictures.append(np.where(cells[np.ix_(rows, columns)], mean, self.pixels))
        return self._scores(self._pictured(part) for part in _parts(pictures, self.classifier.batch_size))

    def ablations(self) -> dict[str, Without]:
        """Return the answers without the text and without the picture, if the post has both."""
        if self.text is None or self.pixels is None or len(self.classifier.config.modalities) < 2:
            return {}
        may_lack = self.classifier.config.allow_missing_modalities
        grey = np.zeros_like(self.pixels) + self.pixels.mean(axis=(-2, -1), keepdims=True)
        asked = {
            "text": self._inputs([None if may_lack else ""], True),
            "image": self._inputs([self.text], True, pixels=None if may_lack else grey),
        }
        how = {"text": "an empty text", "image": "a picture of its mean colour"}
        found = {}
        for name, inputs in asked.items():
            logits = self._ask(inputs)[:, self.columns]
            value = self.target.kind.describe(self.target.kind.values(logits)[0])
            found[name] = Without(value, float(self.scores(logits)[0]), "withheld" if may_lack else how[name])
        return found

    @cached_property
    def features(self) -> dict[str, np.ndarray]:
        """Outputs of the encoders for the post, as the model reads them: ``text_features``, ``image_features``.

        Empty for an exported model, and without what the post lacks.
        """
        model = getattr(self.classifier.runtime, "model", None)
        if model is None:
            return {}
        import torch

        found = {}
        whole = self._inputs([self.text], True)
        inputs = {name: torch.from_numpy(array).to(model.device) for name, array in whole.items()}
        with torch.inference_mode():
            if self.has_regions and model.clfa.vision_encoder is not None:
                tokens = encode_image(model.clfa.vision_encoder, inputs["pixel_values"])
                found["image_features"] = pool_grid(tokens, model.config.image_grid_size)
            if self.text and model.clfa.text_encoder is not None:
                found["text_features"] = encode_text(
                    model.clfa.text_encoder, inputs["input_ids"], inputs["attention_mask"], None
                )
        return {name: tensor.float().cpu().numpy() for name, tensor in found.items()}

    def inputs(self) -> dict[str, np.ndarray]:
        """Return what the model reads of the post, with features in the place of ids and pixels where there are any."""
        found = self._inputs([self.text], True)
        for name, raw in (("text_features", "input_ids"), ("image_features", "pixel_values")):
            if name in self.features:
                found.pop(raw, None)
                found[name] = self.features[name]
        return found

    def _inputs(self, texts: Sequence[str | None], whole: bool, **changed: Any) -> dict[str, np.ndarray]:
        """Return inputs for N texts with the picture; its features unless ``whole``."""
        processor, count = self.classifier.processor, len(texts)
        reads_text = processor.tokenizer is not None
        knowledge = None if self.knowledge is None else [self.knowledge] * count
        found = dict(processor(text=list(texts) if reads_text else None, knowledge=knowledge, return_tensors="np"))
        pixels = changed.get("pixels", self.pixels)
        if processor.image_processor is None:
            return found
        if not whole and "image_features" in self.features:
            return {**found, "image_features": np.repeat(self.features["image_features"], count, axis=0)}
        return {**found, **processor.image_inputs([pixels] * count)}

    def _pictured(self, pictures: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return inputs for N pictures with the text; its features where there are any."""
        found = {
            name: np.repeat(array, len(pictures), axis=0)
            for name, array in self.inputs().items()
            if name not in ("pixel_values", "image_present", "image_features")
        }
        return {**found, **self.classifier.processor.image_inputs(list(pictures))}

    def _scores(self, batches: Any) -> np.ndarray:
        found = [self.scores(self._ask(inputs)[:, self.columns]) for inputs in batches]
        return np.concatenate(found) if found else np.empty(0)

    def _ask(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        return self.classifier.runtime(inputs).logits

    def _class_index(self, label: str | None) -> int | None:
        names = list(self.target.label_names)
        if not names:
            if label is not None:
                raise ModelError(Argument("label"), f": target {self.target.name!r} is a number and has no classes.")
            return None
        if label is not None:
            if label not in names:
                hint = did_you_mean(label, names)
                raise ModelError(
                    Argument("label"), f": there is no class {label!r}; classes: {', '.join(names)}.{hint}"
                )
            return names.index(label)
        kind = self.target.kind
        if kind.one_class:
            return int(kind.values(self.logits)[0, 0])
        table = kind.probabilities(self.logits)
        assert table is not None
        return int(table[0].argmax())


def find_target(classifier: PostClassifier, name: str | None) -> tuple[Target, slice]:
    """Return a target of a model, the first one without a name, and its part of the outputs.

    Raises:
        ModelError: If the model has no such target.
    """
    known = {target.name: (target, columns) for target, columns in logit_slices(classifier.targets)}
    if name is None:
        return next(iter(known.values()))
    if name not in known:
        hint = did_you_mean(name, known)
        raise ModelError(Argument("target"), f": there is no target {name!r}; targets: {', '.join(known)}.{hint}")
    return known[name]


def _parts(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
