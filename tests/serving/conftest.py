from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

pytest.importorskip("fastapi")

from clfa.prediction.post_classifier import PostClassifier
from clfa.serving.app import create_app
from clfa.serving.served_model import ServedModel
from clfa.serving.settings import Settings

Client = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def served(tiny_run: Path) -> ServedModel:
    """The tiny model, as the service has it."""
    return ServedModel("tiny", PostClassifier.load(tiny_run))


@pytest.fixture
def client(served: ServedModel) -> Client:
    """Makes a client of an application with the tiny model, without a network."""

    @asynccontextmanager
    async def connected(
        settings: Settings | None = None, token: str | None = None, model: Any = None, **options: Any
    ) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(lambda: model or served, settings, token)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost", **options) as one,
        ):
            one.service = app.state.service  # type: ignore[attr-defined]
            yield one

    return connected


def picture(colour: str = "red", size: tuple[int, int] = (32, 32), form: str = "PNG") -> bytes:
    """A picture of one colour as a file."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()
