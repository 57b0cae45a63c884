"""A post that is asked about many times: what is the answer without one of its parts?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clfa.errors import Argument, DataError, ModelError
from clfa.explaining.explanation import Without
from clfa.explaining.words import without_spans, word_spans
from clfa.nearest import did_you_mean
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.targets.target import Target, logit_slices

# Words that are scored; a text encoder reads about as many.
MAX_WORDS = 128
# Cells of a picture along each side that are hidden one by one.
GRID = 3
# Inputs of the model that come of the picture, and those that the text encoder reads.
_PICTURE = ("pixel_values", "image_features", "image_attention_mask", "image_present")
_TOKENS = ("input_ids", "attention_mask", "token_type_ids")


class Probe:
    """One post and the class whose probability is explained, or the number.

    Encoders run once for what does not change between questions, and for questions that are equal. Nothing of the
    classifier is changed, so that several threads may explain at the same time.

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
        self._whole = self._encoded({**self._read([self.text]), **self._seen([self.pixels])})
        self.logits = self._ask(self._whole)
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
        if not hidden:
            return np.empty(0)
        text, size = self.text or "", self.classifier.batch_size
        asked = self._read([without_spans(text, [self.spans[place] for place in places]) for places in hidden])
        # Equal without words behind the last token that the model reads, and without one of the same words in a row.
        first, question = distinct(list(asked.values()))
        asked = _rows(asked, first)
        # Questions with the same tokens may differ in their terms.
        tokens = [asked[name] for name in _TOKENS if name in asked] if self._encodes else list(asked.values())
        first, encoding = distinct(tokens)
        found = np.empty(len(encoding))
        for part in _parts(np.arange(len(first)), size):
            given = self._encoded(self._with_texts(_rows(asked, first[part])))
            for rows in _parts(np.flatnonzero(np.isin(encoding, part)), size):
                own = {name: array for name, array in _rows(asked, rows).items() if name in given}
                found[rows] = self.scores(self._ask({**_rows(given, encoding[rows] - part[0]), **own}))
        return found[question]

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
        parts = _parts(pictures, self.classifier.batch_size)
        return np.concatenate([self.scores(self._ask(self._with_pictures(part))) for part in parts])

    def ablations(self) -> dict[str, Without]:
        """Return the answers without the text and without the picture, if the post has both."""
        if self.text is None or self.pixels is None or len(self.classifier.config.modalities) < 2:
            return {}
        may_lack = self.classifier.config.allow_missing_modalities
        grey = np.zeros_like(self.pixels) + self.pixels.mean(axis=(-2, -1), keepdims=True)
        asked = {
            "text": self._with_texts(self._read([None if may_lack else ""])),
            "image": self._with_pictures([None if may_lack else grey]),
        }
        how = {"text": "an empty text", "image": "a picture of its mean colour"}
        found = {}
        for name, inputs in asked.items():
            logits = self._ask(inputs)
            value = self.target.kind.describe(self.target.kind.values(logits)[0])
            found[name] = Without(value, float(self.scores(logits)[0]), "withheld" if may_lack else how[name])
        return found

    def inputs(self) -> dict[str, np.ndarray]:
        """Return what the model reads of the post, with features in the place of ids and pixels, except in exports."""
        return dict(self._whole)

    @property
    def _encodes(self) -> bool:
        return hasattr(self.classifier.runtime, "encode")

    def _encoded(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        encode: Any = getattr(self.classifier.runtime, "encode", dict)
        found: dict[str, np.ndarray] = encode(inputs)
        return found

    def _read(self, texts: Sequence[str | None]) -> dict[str, np.ndarray]:
        """Return the inputs of N texts with the knowledge of the post, without its picture."""
        processor = self.classifier.processor
        knowledge = None if self.knowledge is None else [self.knowledge] * len(texts)
        given = None if processor.tokenizer is None else list(texts)
        return dict(processor(text=given, knowledge=knowledge, return_tensors="np"))

    def _seen(self, pictures: Sequence[np.ndarray | None]) -> dict[str, np.ndarray]:
        """Return the inputs of N pictures."""
        processor = self.classifier.processor
        return {} if processor.image_processor is None else processor.image_inputs(list(pictures))

    def _with_texts(self, texts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return inputs of N texts with the picture and the knowledge of the post, as they were encoded."""
        same = {name: array for name, array in self._whole.items() if name in (*_PICTURE, "knowledge_features")}
        own = dict(texts)
        if "knowledge_features" in same:
            own.pop("knowledge_input_ids", None)
        return {**own, **_repeated(same, len(next(iter(texts.values()))))}

    def _with_pictures(self, pictures: Sequence[np.ndarray | None]) -> dict[str, np.ndarray]:
        """Return inputs of N pictures with the text and the knowledge of the post, as they were encoded."""
        same = {name: array for name, array in self._whole.items() if name not in _PICTURE}
        return {**_repeated(same, len(pictures)), **self._seen(pictures)}

    def _ask(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the outputs of the explained target."""
        return self.classifier.runtime(inputs).logits[:, self.columns]

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


def distinct(arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of different rows, and which of them each row equals.

    Args:
        arrays: Arrays of N rows; a row is the rows of all of them side by side.

    Example:
        >>> [found.tolist() for found in distinct([np.array([[7], [8], [7]])])]
        [[0, 1], [0, 1, 0]]
    """
    known: dict[bytes, int] = {}
    places: list[int] = []
    which: list[int] = []
    for place in range(len(arrays[0])):
        row = b"".join(array[place].tobytes() for array in arrays)
        if row not in known:
            known[row] = len(places)
            places.append(place)
        which.append(known[row])
    return np.array(places), np.array(which)


def _rows(inputs: Mapping[str, np.ndarray], places: np.ndarray) -> dict[str, np.ndarray]:
    return {name: array[places] for name, array in inputs.items()}


def _repeated(inputs: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    return {name: np.repeat(array, count, axis=0) for name, array in inputs.items()}


def _parts(items: Any, size: int) -> list[Any]:
    return [items[start : start + size] for start in range(0, len(items), size)]
