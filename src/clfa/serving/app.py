"""The application and its paths."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from clfa.serving.backend import Backend
from clfa.serving.bodies import Disconnected
from clfa.serving.guard import Guard, refused
from clfa.serving.openapi import PREDICT_BODY, responses
from clfa.serving.page import add_page
from clfa.serving.refusal import Refusal
from clfa.serving.schemas import BatchAnswer, ModelInfo, OneAnswer
from clfa.serving.served_model import ServedModel
from clfa.serving.service import Service
from clfa.serving.settings import Settings
from clfa.version import __version__


def create_app(load: Callable[[], ServedModel], settings: Settings | None = None, token: str | None = None) -> FastAPI:
    """Return the application. It loads the model when it starts.

    Args:
        load: Returns the model, for instance ``lambda: ServedModel.load("runs/mine")``.
        settings: Bounds; the defaults when not given.
        token: Bearer token that requests must have.
    """
    return application(Service(load, settings or Settings()), token)


def application(service: Backend, token: str | None = None) -> FastAPI:
    """Return the application in front of what answers.

    Args:
        service: What answers; started and closed by the application.
        token: Bearer token that requests must have.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        await service.start()
        yield
        await service.close()

    app = FastAPI(
        title="clfa",
        version=__version__,
        description="Predictions of one model on posts of text and picture.",
        lifespan=lifespan,
        # The pages of FastAPI load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.add_middleware(Guard, settings=service.settings, token=token, metrics=service.metrics)
    _add_errors(app, service)
    _add_paths(app, service)
    add_page(app)
    return app


def _add_errors(app: FastAPI, service: Backend) -> None:
    @app.exception_handler(Refusal)
    async def on_refusal(request: Request, refusal: Refusal) -> Response:
        del request
        return refused(refusal, service.metrics)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        del request
        code = "method_not_allowed" if error.status_code == 405 else "not_found"
        response = refused(Refusal(code, "There is nothing here; /openapi.json lists what is."), service.metrics)
        response.headers.update(error.headers or {})
        return response


def _add_paths(app: FastAPI, service: Backend) -> None:
    @app.post(
        "/v1/predict",
        response_model=OneAnswer | BatchAnswer,
        response_model_exclude_none=True,
        openapi_extra=PREDICT_BODY,
        responses=responses(predicts=True),
    )
    async def predict(request: Request) -> Any:
        """Predict on one post, or on several. In an answer to several, a post without a prediction has an `error`."""
        service.require_ready()
        async with service.bodies.read(request.headers, request.receive) as body:
            return await _while_connected(request, service.answer(request.headers.get("content-type", ""), body))

    @app.get("/v1/model", response_model=ModelInfo, responses=responses(predicts=False))
    async def model() -> ModelInfo:
        """What the model reads and answers, and the bounds of requests."""
        return service.info()

    @app.get("/healthz", response_class=PlainTextResponse, responses=responses(predicts=False))
    async def healthz() -> str:
        """Whether the process answers."""
        return "ok"

    @app.get("/readyz", response_class=PlainTextResponse, responses=responses(predicts=False))
    async def readyz() -> str:
        """Whether the model is loaded and the service does not end."""
        await service.check_ready()
        return "ok"

    @app.get("/metrics", response_class=PlainTextResponse, responses=responses(predicts=False))
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(await service.figures(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _while_connected(request: Request, work: Awaitable[Any]) -> Any:
    """Return the result of work, and stop it if the client goes.

    Raises:
        Disconnected: If the client has gone.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Disconnected
        return await working
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
