"""The front of replicas, with replicas of this process in the place of Ray Serve's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from clfa.serving.app import application
from clfa.serving.deployment import _reason
from clfa.serving.front import Front
from clfa.serving.metrics import REPLICA_FIGURES
from clfa.serving.refusal import Refusal
from clfa.serving.schemas import EXAMPLE_PICTURE
from clfa.serving.served_model import ServedModel
from clfa.serving.service import Service
from clfa.serving.settings import Settings

POST = {"text": "so sunny", "image": EXAMPLE_PICTURE}


class Lost(Exception):
    pass


class Response:
    """What a handle returns for one call."""

    def __init__(self, work: Any) -> None:
        self.task = asyncio.ensure_future(work)

    def __await__(self) -> Any:
        return self.task.__await__()

    def cancel(self) -> None:
        self.task.cancel()


class Handle:
    """Ray Serve's handle of replicas that are services of this process."""

    def __init__(self, services: list[Service], settings: Settings) -> None:
        self.services, self.settings, self.error, self.calls = services, settings, None, 0
        self.pause = 0.0

    def __getattr__(self, method: str) -> Any:
        handle = self

        class Method:
            def remote(self, *arguments: Any) -> Response:
                return Response(handle.call(method, *arguments))

        return Method()

    async def call(self, method: str, *arguments: Any) -> Any:
        await asyncio.sleep(self.pause)
        if self.error is not None:
            raise self.error
        self.calls += 1
        service = self.services[self.calls % len(self.services)]
        if method == "info":
            return service.info()
        try:
            return await service.answer(*arguments)
        except Refusal as refusal:
            return refusal

    def broadcast(self, method: str) -> Any:
        handle = self

        class Asked:
            async def results_async(self, timeout_s: float | None, return_exceptions: bool) -> list[Any]:
                if handle.error is not None:
                    raise handle.error
                if method == "reload":
                    return [True for _ in handle.services]
                figures = [one.metrics.figures(REPLICA_FIGURES) for one in handle.services]
                return [(f"r{number}", one) for number, one in enumerate(figures)]

        return Asked()


@asynccontextmanager
async def asked(served: ServedModel, **bounds: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Handle, Front]]:
    settings = Settings(**bounds)
    services = [Service(lambda: served, settings) for _ in range(2)]
    for service in services:
        await service.start()
    handle = Handle(services, settings)
    front = Front(handle, settings, (Lost,))
    app = application(front)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
    ):
        yield client, handle, front
    for service in services:
        await service.close()


def test_answers_figures_and_bounds(served: ServedModel) -> None:
    async def run() -> None:
        async with asked(served, max_characters=10) as (client, _, front):
            found = [await client.post("/v1/predict", json=POST) for _ in range(3)]
            assert [one.status_code for one in found] == [200] * 3
            assert found[0].json() == found[1].json()
            assert (await client.get("/readyz")).text == "ok"
            assert (await client.get("/v1/model")).json()["name"] == "tiny"
            refused = await client.post("/v1/predict", json={"text": "a" * 11})
            assert refused.json()["error"]["code"] == "text_too_long"
            text = (await client.get("/metrics")).text
            assert "clfa_replicas 2.0" in text
            assert text.count("# TYPE clfa_posts_total counter") == 1
            lines = {line for line in text.splitlines() if line.startswith("clfa_posts_total")}
            assert lines == {'clfa_posts_total{replica="r0"} 2.0', 'clfa_posts_total{replica="r1"} 1.0'}
            assert 'clfa_requests_total{path="/v1/predict",status="200"} 3.0' in text
            assert await front.reload()

    asyncio.run(run())


def test_lost_replicas_and_late_answers(served: ServedModel) -> None:
    async def run() -> None:
        async with asked(served, answer_seconds=0.2) as (client, handle, front):
            handle.pause = 5.0
            late = await client.post("/v1/predict", json=POST)
            handle.pause, handle.error = 0.0, Lost("a post")
            lost = await client.post("/v1/predict", json=POST)
            ready, figures = await client.get("/readyz"), await client.get("/metrics")
            assert not await front.reload()
            handle.error = ValueError("a post")
            fault = await client.post("/v1/predict", json=POST)
            await front.close()
            ended = await client.post("/v1/predict", json=POST)
        answers = [late, lost, ready, fault, ended]
        assert [one.status_code for one in answers] == [503, 503, 503, 500, 503]
        codes = [one.json()["error"]["code"] for one in answers]
        assert codes == ["timed_out", "replica_lost", "not_ready", "internal_error", "not_ready"]
        assert [one.headers.get("retry-after") for one in answers] == ["2", "2", "2", None, "2"]
        assert "clfa_replicas 0.0" in figures.text

    asyncio.run(run())


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([""], "no reason is known"),
        (["", "It failed.\nTraceback\nclfa.errors.ModelError: there is no model\n"], "there is no model"),
    ],
)
def test_the_reason_of_a_failed_start(messages: list[str], reason: str) -> None:
    assert _reason(messages) == reason
