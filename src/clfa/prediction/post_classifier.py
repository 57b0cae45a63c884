"""Prediction on posts with a trained model, in batches of similar text length, with images decoded ahead."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from clfa.data.image_check import MISSING, reason_of
from clfa.data.images import MissingImageError, image_name, load_image
from clfa.errors import DataError, ImageError, ModelError
from clfa.prediction.engines import ENGINES
from clfa.prediction.engines.base import Precision, Runtime
from clfa.prediction.fitting import fitting
from clfa.prediction.post import Post, Prediction
from clfa.prediction.repeats import distinct
from clfa.prediction.window import Window
from clfa.pretrained import cache_dir
from clfa.processing.processor import CLFAProcessor
from clfa.processing.tokenizers import tokenizer_digest
from clfa.processing.unknown_tokens import UnknownTokens
from clfa.runs.processor_match import check_processor
from clfa.runs.trained_place import require_trained
from clfa.tables.access import Access
from clfa.tables.cells import as_text
from clfa.tables.encoding import clean_text
from clfa.tables.gate import callers_pictures
from clfa.tables.pictures import MAX_IMAGES, as_cell, pictures_of
from clfa.targets.prediction import predict_targets
from clfa.targets.rules import Rules
from clfa.targets.target import class_names
from clfa.targets.target_prediction import TargetPrediction

if TYPE_CHECKING:
    from clfa.knowledge.texts import KnowledgeTexts
    from clfa.modeling import CLFAForClassification

logger = logging.getLogger(__name__)

# Maximum number of characters read of a text; far above any tokenizer limit. It bounds memory.
MAX_CHARACTERS = 100_000
# Number of batches within which texts are sorted by length. More batches reduce padding little and need memory.
WINDOW_BATCHES = 8
# Number of batches whose images are decoded ahead of the model. It bounds memory.
READ_AHEAD = 2
# Number of threads that decode images.
READER_THREADS = min(4, os.cpu_count() or 1)
# Reason of a post without a prediction.
NOT_FINITE = "the model's output is not a finite number"


@dataclass(frozen=True)
class Readable:
    """Checked text and prepared images of a post; ``None`` for a missing modality, if the model allows it.

    Args:
        text: The text.
        pixels: One image (3, H, W), or several (n, 3, H, W).
        ignored: Number of images beyond the largest number.
        unreadable: Messages about images that are left out, because the rest of the post can be read.
    """

    text: str | None
    pixels: np.ndarray | None
    ignored: int = 0
    unreadable: tuple[str, ...] = ()


class _SeveralImagesError(DataError):
    """A post with several images, for a model that takes one."""


class PostClassifier:
    """A trained model and its processor, ready for new posts.

    Args:
        model: The model, moved to the GPU when there is one; or what runs it in its place.
        processor: Its processor.
        batch_size: Posts per forward pass.
        precision: ``auto``, ``fp32`` or ``bf16``, for a model in PyTorch; see
            :class:`clfa.prediction.engines.torch_engine.TorchRuntime`.
        readers: Threads that decode pictures ahead of the model.
        allow_urls: Addresses that posts may name as images: ``True``, or schemes such as ``["https"]``; none by
            default. Local paths are the caller's own: do not make posts of paths that others have sent.

    Raises:
        RecipeError: When a knowledge source or lexicon that the model was trained with lacks its package or file.
        DataError: When a lexicon or WordNet cannot be read.
        ModelError: When a knowledge source's model cannot be loaded, or the processor has not the terms of the model.

    Example:
        >>> PostClassifier.load("runs/mine")([Post("so sunny", "rain.jpg")])[0].label    # doctest: +SKIP
        'sarcastic'
    """

    def __init__(
        self,
        model: CLFAForClassification | Runtime,
        processor: CLFAProcessor,
        batch_size: int = 32,
        precision: Precision = "fp32",
        readers: int = READER_THREADS,
        allow_urls: bool | str | Sequence[str] = False,
    ) -> None:
        self.runtime = _runtime(model, precision)
        self.config = self.runtime.config
        check_processor(self.config, processor)
        self.processor = processor
        self.batch_size = batch_size
        self.readers = readers
        self.access = Access.of(allow_urls)
        self.targets = self.config.target_list
        self.label_names = class_names(self.targets)
        self._left_out: Counter[str] = Counter()
        self._example = ""
        self._tokens = None if processor.tokenizer is None else UnknownTokens(processor.tokenizer)
        self.knowledge: KnowledgeTexts | None = None
        if self.config.use_knowledge and processor.knowledge is not None:
            from clfa.knowledge.texts import KnowledgeTexts

            self.knowledge = KnowledgeTexts(processor.knowledge, cache_dir(), progress=False)
            # Loaded now, so that a missing lexicon is an error before the first post.
            _ = processor.word_graphs

    @classmethod
    def load(
        cls,
        path: str | Path,
        batch_size: int = 32,
        *,
        engine: str = "torch",
        precision: Precision | None = None,
        allow_urls: bool | str | Sequence[str] = False,
    ) -> PostClassifier:
        """Load from a run folder, a model directory or a hub id.

        Args:
            path: Run folder, model directory or hub id; for ``onnx`` and ``openvino`` an exported folder or a run that
                contains one.
            batch_size: Posts per forward pass.
            engine: Name in :data:`clfa.prediction.engines.ENGINES`.
            precision: See the class; ``fp32`` when not given, and that of the export for exported models.
            allow_urls: See the class.

        Raises:
            ModelError: If there is no trained model or, for ``onnx`` and ``openvino``, no exported model.
        """
        require_trained(path)
        chosen = ENGINES.get(engine)()
        runtime, processor = chosen.load(str(path), precision or chosen.usual_precision(str(path)))
        return cls(runtime, processor, batch_size, allow_urls=allow_urls)

    @property
    def model(self) -> Any:
        """The PyTorch model.

        Raises:
            AttributeError: If the runtime is not PyTorch.
        """
        return self.runtime.model  # type: ignore[attr-defined]

    @property
    def has_agreement(self) -> bool:
        """Whether predictions have the agreement of text and image: the model's readout compares them."""
        return self.runtime.has_agreement

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal digest of all that affects predictions: runtime, tokenizer, image processor, lengths, terms.

        Computed on first access.
        """
        p = self.processor
        parts = [
            self.runtime.fingerprint,
            None if p.tokenizer is None else tokenizer_digest(p.tokenizer),
            None if p.image_processor is None else p.image_processor.to_json_string(),
            [p.max_length, p.knowledge_max_length],
            None if p.knowledge is None else p.knowledge.model_dump_json(),
        ]
        if p.max_images != MAX_IMAGES:
            parts.append(p.max_images)
        if p.terms is not None:
            parts.append(p.terms.fingerprint)
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    @property
    def window_size(self) -> int:
        """Number of posts that are sorted by length together."""
        return WINDOW_BATCHES * self.batch_size

    def __call__(
        self, posts: Sequence[Post], rules: Rules | None = None, advance: Callable[[int], None] | None = None
    ) -> list[Prediction]:
        """Return a prediction for each post; for a post that cannot be read, one with ``error`` set.

        Args:
            posts: Posts.
            rules: What is asked beside labels and probabilities.
            advance: Called with the number of posts just finished.

        Raises:
            ModelError: If the model cannot follow the rules.
        """
        if rules is not None:
            rules.check(self.targets)
        windows = (posts[start : start + self.window_size] for start in range(0, len(posts), self.window_size))
        with self.busy() if len(posts) > self.batch_size else nullcontext():
            predictions = []
            for window in self.stream(windows, rules):
                predictions += window
                if advance is not None:
                    advance(len(window))
        self.warn()
        return predictions

    def warn(self) -> None:
        """Log warnings about the posts since the last call: images that were not used, although their posts have a
        prediction, and texts in a language that the text encoder does not know.
        """
        if self._tokens is not None:
            if (line := self._tokens.concern("posts")) is not None:
                logger.warning("%s", line)
            self._tokens.clear()
        if self._left_out["unreadable"]:
            logger.warning(
                "%d images cannot be read and were left out: their posts were predicted without them; for instance %s",
                self._left_out["unreadable"],
                self._example,
            )
        if self._left_out["ignored"]:
            logger.warning(
                "%d images were ignored: the model reads the first %d of a post",
                self._left_out["ignored"],
                self.processor.max_images,
            )
        self._left_out.clear()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Return a context for many batches; memory and prepared weights are kept between batches."""
        with self.runtime.busy():
            yield

    def stream(self, windows: Iterable[Sequence[Post]], rules: Rules | None = None) -> Iterator[list[Prediction]]:
        """Predict on any number of posts in bounded memory.

        Within a window, texts of similar length form a batch, which reduces padding, and equal posts are predicted on
        once. Images are decoded in threads, at most two batches ahead of the model.

        Args:
            windows: Windows of posts, ideally of :attr:`window_size`. The next window is read before the last batches
                of the current one are computed.
            rules: What is asked beside labels and probabilities; the model was checked against it.

        Yields:
            The predictions of each window, in the order of its posts.
        """
        reads_images = self.processor.image_processor is not None
        pool = ThreadPoolExecutor(self.readers, "read-posts") if reads_images else None
        waiting: deque[tuple[Window, list[int], list[Future[Readable | Prediction]]]] = deque()
        try:
            for given in windows:
                gated = [replace(post, image=callers_pictures(post.image, self.access)) for post in given]
                posts, places = distinct(gated)
                window = Window(posts, places, [None] * len(posts), rules)
                batches = self._batches(posts)
                window.batches = len(batches)
                if not batches:
                    yield from self._drain(waiting, 0)
                    yield []
                for positions in batches:
                    reading = [_submit(pool, self.read, posts[position]) for position in positions]
                    waiting.append((window, positions, reading))
                    yield from self._drain(waiting, READ_AHEAD if reads_images else 0)
            yield from self._drain(waiting, 0)
        finally:
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)

    def _batches(self, posts: Sequence[Post]) -> list[list[int]]:
        order = sorted(range(len(posts)), key=lambda position: _length(posts[position]))
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]

    def _drain(
        self, waiting: deque[tuple[Window, list[int], list[Future[Readable | Prediction]]]], left: int
    ) -> Iterator[list[Prediction]]:
        """Compute batches until ``left`` remain; yield windows as they are completed."""
        while len(waiting) > left:
            window, positions, reading = waiting.popleft()
            posts = [window.posts[position] for position in positions]
            times = [window.times[position] for position in positions]
            found = self.predict_read(posts, [f.result() for f in reading], window.rules, times)
            for position, result in zip(positions, found, strict=True):
                window.results[position] = result
            window.batches -= 1
            if window.batches == 0:
                yield list(window.whole())

    def predict_read(
        self,
        posts: Sequence[Post],
        read: Sequence[Readable | Prediction],
        rules: Rules | None = None,
        times: Sequence[int] | None = None,
    ) -> list[Prediction]:
        """Return the prediction of each post, in one batch.

        Args:
            posts: The posts.
            read: What :meth:`read` has returned for each.
            rules: See :meth:`stream`.
            times: How often each post occurs, for counts in warnings; once when not given.
        """
        results: list[Prediction | None] = [found if isinstance(found, Prediction) else None for found in read]
        kept = [(position, found) for position, found in enumerate(read) if isinstance(found, Readable)]
        for position, readable in kept:
            count = 1 if times is None else times[position]
            self._left_out.update(ignored=count * readable.ignored, unreadable=count * len(readable.unreadable))
            self._example = next(iter(readable.unreadable), self._example)
        if kept:
            texts = [found.text for _, found in kept]
            knowledge: list[str | None] = [_text_of(posts[position].knowledge) for position, _ in kept]
            if self.knowledge is not None:
                limit = self.processor.max_images
                pictures = [as_cell(pictures_of(posts[position].image)[:limit]) for position, _ in kept]
                knowledge = self.knowledge({"text": texts, "image": pictures, "knowledge": knowledge})
            notes = knowledge if self.config.use_knowledge else None
            with fitting():
                inputs = dict(self.processor(text=texts, knowledge=notes, return_tensors="np"))
                if self.processor.image_processor is not None:
                    inputs.update(self.processor.image_inputs([found.pixels for _, found in kept]))
                output = self.runtime(inputs)
            if self._tokens is not None:
                self._tokens.add(texts, inputs["input_ids"].tolist())
            agreements = [None] * len(kept) if output.agreement is None else output.agreement.tolist()
            finite = np.isfinite(output.logits).all(axis=1)
            interpreted = self._interpret(np.where(finite[:, None], output.logits, 0), rules)
            rows = zip(kept, interpreted, output.embeddings, agreements, strict=True)
            for number, ((position, _), found, embedding, agreement) in enumerate(rows):
                if not finite[number]:
                    results[position] = Prediction(None, {}, error=NOT_FINITE, reason=NOT_FINITE)
                    continue
                known = None if agreement is None or isnan(agreement) else agreement
                results[position] = replace(found, embedding=embedding, agreement=known)
        return [result for result in results if result is not None]

    def _interpret(self, logits: np.ndarray, rules: Rules | None) -> list[Prediction]:
        predictions = []
        for found in predict_targets(self.targets, logits, rules):
            only = next(iter(found.values())) if len(found) == 1 else TargetPrediction(None)
            predictions.append(Prediction(only.value, only.probabilities or {}, targets=found))
        return predictions

    def readable(self, post: Post) -> Readable:
        """Return the checked text and the prepared pictures of a post, as :meth:`stream` reads it.

        Raises:
            DataError: If the post cannot be predicted on.
        """
        return self._checked(replace(post, image=callers_pictures(post.image, self.access)))

    def knowledge_of(self, post: Post, text: str | None) -> str | None:
        """Return the knowledge text of a post; ``None`` for a model without a knowledge stream.

        Args:
            post: The post.
            text: Its text from :meth:`readable`.
        """
        if not self.config.use_knowledge:
            return None
        own = _text_of(post.knowledge)
        if self.knowledge is None:
            return own
        image = callers_pictures(post.image, self.access)
        picture = as_cell(pictures_of(image)[: self.processor.max_images])
        return self.knowledge({"text": [text], "image": [picture], "knowledge": [own]})[0]

    def read(self, post: Post) -> Readable | Prediction:
        """Return the model's input from a post, or a failed prediction if it is missing or unreadable.

        Args:
            post: The post.
        """
        try:
            return self._checked(post)
        except DataError as error:
            return Prediction(None, {}, error=str(error), reason=_reason(error))

    def _checked(self, post: Post) -> Readable:
        reads_text, reads_image = self.processor.tokenizer is not None, self.processor.image_processor is not None
        may_lack = self.config.allow_missing_modalities and reads_text and reads_image
        text = _text_of(post.text) if reads_text else ""
        if reads_text and not text and not may_lack:
            raise DataError("empty text")
        if not reads_image:
            return Readable(text or None, None)
        given = pictures_of(post.image)
        pictures = given[: self.processor.max_images]
        if len(pictures) > 1 and self._takes_one_image is not None:
            raise _SeveralImagesError(self._takes_one_image)
        pixels: list[np.ndarray] = []
        errors: list[ImageError] = [] if pictures else [MissingImageError(MISSING)]
        for picture in pictures:
            try:
                pixels.append(self._pixels(picture))
            except ImageError as error:
                errors.append(error)
        if not pixels:
            if not (may_lack and text):
                raise errors[0]
            return Readable(text, None, unreadable=tuple(map(str, errors)) if pictures else ())
        joined = pixels[0] if len(pixels) == 1 else np.stack(pixels)
        return Readable(text or None, joined, len(given) - len(pictures), tuple(map(str, errors)))

    @cached_property
    def _takes_one_image(self) -> str | None:
        """Return the reason why a post may have one image only, if it is so."""
        if not self.runtime.several_images:
            return "this export reads one image per post; export the run again, or predict with the engine torch"
        from clfa.modeling.baselines.base import require_several_images

        try:
            require_several_images(self.config.baseline, self.config.vision_config)
        except ModelError as error:
            return str(error)
        return None

    def _pixels(self, image: Any) -> np.ndarray:
        picture = load_image(image)
        with fitting():
            try:
                return self.processor.pixel_array([picture])[0]
            except (ValueError, MemoryError, OverflowError) as error:
                raise ImageError(f"{image_name(image)}: image cannot be prepared: {error}") from error


def _runtime(model: CLFAForClassification | Runtime, precision: Precision) -> Runtime:
    """Return what runs a model. Exports are run without PyTorch, which takes seconds to import."""
    if (torch := sys.modules.get("torch")) is None or not isinstance(model, torch.nn.Module):
        return cast("Runtime", model)
    from clfa.prediction.engines.torch_engine import TorchRuntime

    return TorchRuntime(cast("CLFAForClassification", model), precision)


def _submit(pool: ThreadPoolExecutor | None, work: Any, post: Post) -> Future[Readable | Prediction]:
    if pool is not None:
        return pool.submit(work, post)
    done: Future[Readable | Prediction] = Future()
    done.set_result(work(post))
    return done


def _length(post: Post) -> int:
    return min(len(post.text), MAX_CHARACTERS) if isinstance(post.text, str) else 0


def _text_of(value: Any) -> str:
    """Return a text, cleaned as in the data readers; numbers and bytes become text as they do there."""
    if not isinstance(value, str):
        value = as_text(value)
    # JSON may contain lone surrogates, which tokenizers reject: replace them, and join surrogate pairs.
    whole = value[:MAX_CHARACTERS].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return clean_text(whole)


def _reason(error: DataError) -> str:
    if isinstance(error, _SeveralImagesError):
        return "several images"
    return reason_of(error) if isinstance(error, ImageError) else str(error)
