"""The service behind the application: the model, its threads, and the way of a request from body to answer."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from clfa.errors import CLFAError
from clfa.prediction.post import Post, Prediction
from clfa.serving.answers import answer, unusable
from clfa.serving.backend import Backend
from clfa.serving.batching import Batcher
from clfa.serving.bodies import Bodies
from clfa.serving.metrics import Metrics
from clfa.serving.parsing import Question, parse
from clfa.serving.refusal import Refusal
from clfa.serving.schemas import BatchAnswer, ExplanationOut, ModelInfo, OneAnswer, PostOut
from clfa.serving.served_model import ReadPost, ServedModel
from clfa.serving.settings import Settings

logger = logging.getLogger(__name__)


class Service(Backend):
    """A served model in this process.

    Args:
        load: Returns the model; runs in a thread, at the start and for each reload.
        settings: Bounds.
    """

    def __init__(self, load: Callable[[], ServedModel], settings: Settings) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.bodies = Bodies(settings, self.metrics)
        self.ending = False
        self._load = load
        self._model: ServedModel | None = None
        self._waiting = self._explaining = 0
        # Posts that were answered in a second, for Retry-After.
        self._rate = 0.0
        self._answered = time.monotonic()

    def require_ready(self) -> ServedModel:
        """Return the model.

        Raises:
            Refusal: While it is not loaded, or the service ends.
        """
        if self._model is None or self.ending:
            raise Refusal("not_ready", "The model is not ready. Try again.", retry_after=2)
        return self._model

    async def check_ready(self) -> None:
        """See :class:`clfa.serving.backend.Backend`."""
        self.require_ready()

    def info(self) -> ModelInfo:
        """See :class:`clfa.serving.backend.Backend`."""
        return self.require_ready().info(self.settings)

    async def figures(self) -> bytes:
        """See :class:`clfa.serving.backend.Backend`."""
        return self.metrics.text()

    async def start(self) -> None:
        """Load the model and start the threads.

        Raises:
            CLFAError: If the model cannot be loaded.
        """
        self.ending = False
        self._readers = ThreadPoolExecutor(self.settings.reader_threads, "read")
        self._explainers = ThreadPoolExecutor(1, "explain")
        self._batcher: Batcher[tuple[ServedModel, ReadPost], Prediction] = Batcher(
            lambda items: items[0][0].predict([post for _, post in items]),
            self.settings.max_batch,
            self.settings.max_wait_ms / 1000,
            self.metrics,
        )
        self._batcher.start()
        self._model = await asyncio.to_thread(self._loaded)
        self._reloading = asyncio.Lock()

    async def close(self) -> None:
        """End the threads; what is computed is finished."""
        self.ending = True
        await self._batcher.close()
        await asyncio.to_thread(self._readers.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._explainers.shutdown, cancel_futures=True)

    async def reload(self) -> bool:
        """Load the model again and answer with it from now on; requests that wait get the answers of the old one.

        Returns:
            Whether it could be loaded. If not, the old one stays.
        """
        async with self._reloading:
            try:
                self._model = await asyncio.to_thread(self._loaded)
            except CLFAError as error:
                logger.error("the model stays, because the new one cannot be loaded: %s", error)
                self.metrics.reloads.labels("failed").inc()
                return False
            self.metrics.reloads.labels("done").inc()
            logger.info("the model is loaded again: %s", self._model.fingerprint)
            return True

    def _loaded(self) -> ServedModel:
        model = self._load()
        model.warm_up()
        return model

    async def answer(self, content_type: str, body: bytes) -> OneAnswer | BatchAnswer:
        """See :class:`clfa.serving.backend.Backend`."""
        model = self.require_ready()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.settings.answer_seconds):
                question = await loop.run_in_executor(self._readers, parse, content_type, body, self.settings)
                posts = await self._posts(model, question)
        except TimeoutError:
            problem = "The answer was not there in time. Send fewer posts, or try again."
            raise Refusal("timed_out", problem, retry_after=self._seconds()) from None
        if question.single:
            return OneAnswer(model=model.fingerprint, **dict(posts[0]))
        return BatchAnswer(model=model.fingerprint, posts=posts)

    async def _posts(self, model: ServedModel, question: Question) -> list[PostOut]:
        variants = [_variants(post, model, question.explain) for post in question.posts]
        weight = sum(_weight(post) for own in variants for post in own.values())
        if weight + self._waiting > max(self.settings.max_waiting, weight if not self._waiting else 0):
            raise Refusal("busy", "Too much is waiting. Try again.", retry_after=self._seconds())
        explaining = model.explainer is not None and question.explain
        if explaining and self._explaining + len(variants) > max(
            self.settings.max_explaining, 0 if self._explaining else len(variants)
        ):
            raise Refusal("busy", "Too many explanations are waiting. Try again.", retry_after=self._seconds())
        self._wait(weight)
        self._explaining += len(variants) if explaining else 0
        try:
            flat = [post for own in variants for post in own.values()]
            found = iter(await self._predict(model, flat))
            grouped = [{name: next(found) for name in own} for own in variants]
            explained: list[ExplanationOut | None] = [None] * len(grouped)
            if explaining:
                explained = [await self._explain(model, own) for own in variants]
        finally:
            self._wait(-weight)
            self._explaining -= len(variants) if explaining else 0
        self._count(grouped)
        if question.single:
            whole = grouped[0][""]
            if isinstance(whole, Refusal):
                raise whole
            if whole.targets is None:
                raise unusable(whole)
        rows = zip(question.ids, grouped, explained, strict=True)
        return [
            answer(
                identifier,
                own[""],
                {name: one for name, one in own.items() if name and isinstance(one, Prediction)},
                explanation,
            )
            for identifier, own, explanation in rows
        ]

    async def _predict(self, model: ServedModel, posts: Sequence[Post | Refusal]) -> list[Prediction | Refusal]:
        loop = asyncio.get_running_loop()

        async def read(post: Post | Refusal) -> ReadPost | Refusal:
            if isinstance(post, Refusal):
                return post
            try:
                return await loop.run_in_executor(self._readers, model.read, post, self.settings)
            except Refusal as refusal:
                return refusal

        done = await asyncio.gather(*(read(post) for post in posts))
        usable = [one for one in done if isinstance(one, ReadPost)]
        results = iter(await self._batcher([(model, one) for one in usable], model))
        found: list[Prediction | Refusal] = []
        for one in done:
            result = one if isinstance(one, Refusal) else next(results)
            if isinstance(result, Exception) and not isinstance(result, Refusal):
                logger.error("a post cannot be computed: %s", type(result).__name__)
                result = Refusal("internal_error", "The model has failed on this post.")
            found.append(result)
        return found

    async def _explain(self, model: ServedModel, own: dict[str, Post | Refusal]) -> ExplanationOut | None:
        post = own[""]
        if model.explainer is None or isinstance(post, Refusal):
            return None
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._explainers, model.explainer, post)
        except CLFAError:
            return None

    def _wait(self, weight: int) -> None:
        self._waiting += weight
        self.metrics.waiting.set(self._waiting)

    def _count(self, grouped: Sequence[dict[str, Prediction | Refusal]]) -> None:
        for own in grouped:
            whole = own[""]
            if isinstance(whole, Refusal):
                self.metrics.unusable.labels(whole.code).inc()
            elif whole.targets is None:
                self.metrics.unusable.labels("unusable_post").inc()
            else:
                self.metrics.posts.inc()
        now = time.monotonic()
        elapsed = max(1e-3, now - self._answered)
        # A mean over about the last ten seconds.
        kept = math.exp(-elapsed / 10)
        self._rate = kept * self._rate + (1 - kept) * len(grouped) / elapsed
        self._answered = now

    def _seconds(self) -> int:
        """Return after how many seconds what waits now will probably be done."""
        return max(1, min(60, math.ceil(self._waiting / self._rate))) if self._rate > 0 else 2


def _weight(post: Post | Refusal) -> int:
    return 0 if isinstance(post, Refusal) else max(1, len(post.image or ()))


def _variants(post: Post | Refusal, model: ServedModel, explain: bool) -> dict[str, Post | Refusal]:
    """Return the post under ``""`` and, to explain it, the post without a part if the model has learnt to do so."""
    found: dict[str, Post | Refusal] = {"": post}
    if explain and model.may_lack and not isinstance(post, Refusal) and post.text and post.image:
        found |= {"image": replace(post, image=None), "text": replace(post, text=None)}
    return found
