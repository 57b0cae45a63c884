"""Every bound and every error: status, code, one shape, and nothing of the request in the message."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from clfa.errors import DataError
from clfa.serving.refusal import CODES
from clfa.serving.schemas import EXAMPLE_PICTURE as SQUARE
from clfa.serving.security import MIN_TOKEN, is_loopback, read_token
from clfa.serving.served_model import ServedModel
from clfa.serving.settings import Settings
from serving.conftest import Client, picture

SECRET = "zanzibar"
TOKEN = "t" * MIN_TOKEN
SMALL = Settings(
    max_body_bytes=4000, max_posts=2, max_pictures=3, max_characters=50, max_pixels=100, max_memory_bytes=9000
)
POST = {"text": "so sunny", "image": SQUARE}
JSON = {"content-type": "application/json"}


def refused(answer: httpx.Response, code: str) -> dict[str, Any]:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (CODES[code][0], code), answer.text
    assert set(error) <= {"code", "message", "field"}
    assert SECRET not in answer.text
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)
    assert answer.headers["x-content-type-options"] == "nosniff"
    return error


REQUESTS: list[tuple[str, dict[str, Any], str | None]] = [
    ("body_too_large", {"content": b" " * 4001, "headers": JSON}, None),
    ("too_many_posts", {"json": {"posts": [POST] * 3}}, "posts"),
    ("too_many_pictures", {"json": {"text": "a", "image": [SQUARE] * 4}}, "image"),
    ("too_many_pictures", {"files": [("image", ("a.png", b"x"))] * 4}, "image"),
    ("text_too_long", {"json": POST | {"text": SECRET * 9}}, "text"),
    ("text_too_long", {"json": POST | {"knowledge": SECRET * 9}}, "knowledge"),
    ("text_too_long", {"data": {"text": SECRET * 9}}, "text"),
    ("picture_too_large", {"files": [("image", ("a.png", picture(size=(11, 10))))], "data": {"text": "a"}}, "image"),
    ("unsupported_media_type", {"content": b"{}", "headers": {"content-type": "text/plain"}}, None),
    ("unsupported_media_type", {"content": b"{}"}, None),
    ("unsupported_media_type", {"data": {"text": "a"}}, None),
    ("invalid_request", {"content": b"{", "headers": JSON}, None),
    ("invalid_request", {"content": b"[" * 3000, "headers": JSON}, None),
    ("invalid_request", {"content": b"\xff", "headers": JSON}, None),
    ("invalid_request", {"content": b'{"text": "\\ud800"}', "headers": JSON}, None),
    ("invalid_request", {"json": []}, None),
    ("invalid_request", {"json": POST | {"text": 1}}, "text"),
    ("invalid_request", {"json": POST | {SECRET: 1}}, None),
    ("invalid_request", {"json": POST | {"image_url": f"http://{SECRET}"}}, None),
    ("invalid_request", {"json": POST | {"image": {"path": SECRET}}}, "image"),
    ("invalid_request", {"json": {"posts": []}}, "posts"),
    ("invalid_request", {"json": {"posts": [POST, POST | {"text": [SECRET]}]}}, "posts.1.text"),
    ("invalid_request", {"json": POST | {"explain": "yes"}}, "explain"),
    ("invalid_request", {"files": [(SECRET, ("a.png", b"x"))]}, None),
    ("invalid_request", {"files": [("image", ("a.png", b"x"))], "data": {SECRET: "a"}}, None),
    ("invalid_request", {"files": [("image", ("a.png", b"x"))], "data": {"explain": SECRET}}, "explain"),
    ("invalid_request", {"files": [("image", ("a.png", b"x"))], "data": {"posts": "[{"}}, "posts"),
    ("invalid_request", {"files": [("image", ("a.png", b"x"))], "data": {"posts": "[]"}}, "posts"),
    ("invalid_request", {"files": [("image", ("a.png", b"x"))], "data": {"posts": "[{}]", "text": "a"}}, "posts"),
    ("invalid_request", {"files": [("image", ("a.png", b"x"))] * 2, "data": {"posts": "[{}]"}}, "image"),
    ("invalid_request", {"files": [("image", ("a.png", b"x"))], "data": {"text": ["a", "b"]}}, None),
    ("invalid_request", {"content": b"--x", "headers": {"content-type": "multipart/form-data"}}, None),
    ("invalid_request", {"content": b"--x\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}}, None),
    (
        "invalid_request",
        {"content": SECRET.encode(), "headers": {"content-type": "multipart/form-data; boundary=x"}},
        None,
    ),
    ("invalid_request", {"files": [("image", (None, SECRET))]}, "image"),
    ("unusable_post", {"files": [("image", (None, ""))]}, None),
    ("unusable_post", {"json": {"text": "a"}}, None),
    ("unusable_post", {"json": {"image": SQUARE}}, None),
    ("unusable_post", {"json": {"text": "a", "image": f"/etc/{SECRET}"}}, "image"),
    ("unusable_post", {"json": {"text": "a", "image": f"file:///{SECRET}"}}, "image"),
    ("unusable_post", {"json": {"text": "a", "image": f"https://{SECRET}/a.png"}}, "image"),
    ("unusable_post", {"files": [("image", ("a.png", SECRET.encode()))], "data": {"text": "a"}}, None),
]


def test_requests_that_are_refused(client: Client) -> None:
    async def ask() -> None:
        async with client(SMALL) as http:
            for code, request, field in REQUESTS:
                if "data" in request and code != "unsupported_media_type":
                    request = {"files": [("image", ("a.png", picture(size=(8, 8))))]} | request
                answer = await http.post("/v1/predict", **request)
                assert refused(answer, code).get("field") == field, (request, answer.text)
            assert (await http.post("/v1/predict", json=POST)).status_code == 200
            # What was held is given back.
            assert "clfa_body_bytes 0.0" in (await http.get("/metrics")).text

    asyncio.run(ask())


def test_paths_names_tokens_and_other_sites(client: Client) -> None:
    async def ask() -> None:
        async with client(Settings(hosts=("Posts.example.org",)), token=TOKEN) as http:
            right = {"authorization": f"Bearer {TOKEN}"}
            refused(await http.get(f"/{SECRET}"), "not_found")
            refused(await http.get("/v1/predict", headers=right), "method_not_allowed")
            for path in ("/v1/model", "/metrics", f"/v1/{SECRET}"):
                for wrong in ({}, {"authorization": f"Bearer {TOKEN}x"}, {"authorization": f"Basic {TOKEN}"}):
                    answer = await http.get(path, headers=wrong)
                    refused(answer, "unauthorised")
                    assert answer.headers["www-authenticate"] == "Bearer"
            for path in ("/", "/healthz", "/readyz", "/openapi.json"):
                assert (await http.get(path)).status_code == 200
            assert (await http.get("/v1/model", headers=right)).status_code == 200
            for host in ("127.0.0.1:8000", "[::1]:8000", "localhost:80", "posts.example.org", "192.168.1.7"):
                assert (await http.get("/healthz", headers={"host": host})).status_code == 200
            for host in (f"{SECRET}.org", "localhost.evil.org", "127.0.0.1.evil.org"):
                refused(await http.get("/healthz", headers={"host": host}), "unknown_host")
            for headers in ({"origin": f"http://{SECRET}"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
                refused(await http.get("/v1/model", headers=right | headers), "cross_origin")
            # A link from another site leads to the page.
            assert (await http.get("/", headers={"sec-fetch-site": "cross-site"})).status_code == 200
            own = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
            answer = await http.get("/v1/model", headers=right | own)
            assert answer.status_code == 200
            assert not [name for name in answer.headers if name.startswith("access-control")]
            refused(await http.options("/v1/predict", headers=right | own), "method_not_allowed")

    asyncio.run(ask())


class Held(ServedModel):
    """The model, which answers when it is let go."""

    def __init__(self, served: ServedModel) -> None:
        super().__init__(served.name, served.classifier)
        self.go = threading.Event()

    def predict(self, posts: Any) -> Any:
        self.go.wait(60)
        return super().predict(posts)


class Slow(ServedModel):
    """The model, made slow."""

    def __init__(self, served: ServedModel, seconds: float) -> None:
        super().__init__(served.name, served.classifier)
        self.seconds = seconds

    def predict(self, posts: Any) -> Any:
        time.sleep(self.seconds)
        return super().predict(posts)


def test_load_beyond_the_bounds_is_refused_and_the_rest_answered(client: Client, served: ServedModel) -> None:
    async def ask() -> None:
        model = Held(served)
        async with client(Settings(max_waiting=3, max_batch=1), model=model) as http:
            asked = [asyncio.create_task(http.post("/v1/predict", json=POST)) for _ in range(8)]
            while sum(task.done() for task in asked) < 5:
                await asyncio.sleep(0.01)
            model.go.set()
            answers = [await task for task in asked]
            assert sorted(answer.status_code for answer in answers) == [200] * 3 + [503] * 5
            for answer in answers:
                if answer.status_code == 503:
                    refused(answer, "busy")
                    assert 1 <= int(answer.headers["retry-after"]) <= 60
            # A request that is larger than the queue is answered where nothing else waits.
            body = {"posts": [POST] * 4}
            assert (await http.post("/v1/predict", json=body)).status_code == 200
        async with client(Settings(answer_seconds=0.1), model=Slow(served, 0.4)) as http:
            refused(await http.post("/v1/predict", json=POST), "timed_out")

    asyncio.run(ask())


def test_one_post_does_not_wait_behind_a_large_request(client: Client, served: ServedModel) -> None:
    async def ask() -> None:
        async with client(Settings(max_batch=2), model=Slow(served, 0.1)) as http:
            large = asyncio.create_task(http.post("/v1/predict", json={"posts": [POST] * 30}))
            await asyncio.sleep(0.25)
            answer = await http.post("/v1/predict", json=POST)
            assert answer.status_code == 200
            assert not large.done()
            assert len((await large).json()["posts"]) == 30

    asyncio.run(ask())


class Failing(ServedModel):
    """A model that fails on posts with a certain text."""

    def predict(self, posts: Any) -> Any:
        if any(one.post.text == SECRET for one in posts):
            raise RuntimeError(f"out of memory at {SECRET}")
        return super().predict(posts)


def test_a_fault_meets_the_post_that_causes_it_and_is_logged_without_it(
    client: Client, served: ServedModel, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG, "clfa")

    async def ask() -> None:
        async with client(model=Failing("tiny", served.classifier)) as http:
            body = {"posts": [POST, POST | {"text": SECRET}, POST]}
            found = (await http.post("/v1/predict", json=body)).json()["posts"]
            assert ["targets" in one for one in found] == [True, False, True]
            assert found[1]["error"]["code"] == "internal_error"
            refused(await http.post("/v1/predict", json=POST | {"text": SECRET}), "internal_error")
            monkeypatch.setattr("clfa.serving.service.parse", lambda *_: json.loads(SECRET))
            refused(await http.post("/v1/predict", json=POST), "internal_error")

    asyncio.run(ask())
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("clfa.serving")]
    assert [line for line in lines if SECRET in line] == []
    assert any(line.startswith("/v1/predict 200 ") for line in lines)
    assert any(line.startswith("fault: JSONDecodeError at ") for line in lines)


def test_bodies_of_all_requests_have_one_bound(client: Client) -> None:
    async def ask() -> None:
        async with client(SMALL) as http:
            released = asyncio.Event()

            async def slow() -> Any:
                yield b" " * 3500
                await released.wait()
                yield b"{}"

            waiting = [asyncio.create_task(http.post("/v1/predict", content=slow(), headers=JSON)) for _ in range(2)]
            await asyncio.sleep(0.2)
            refused(await http.post("/v1/predict", content=b" " * 3000, headers=JSON), "busy")
            released.set()
            for answer in await asyncio.gather(*waiting):
                refused(answer, "unusable_post")
            assert (await http.post("/v1/predict", json=POST)).status_code == 200

    asyncio.run(ask())


def test_bodies_have_a_time(client: Client) -> None:
    async def ask() -> None:
        async with client(Settings(body_pause_seconds=0.1, body_seconds=0.25)) as http:

            async def halting(pause: float) -> Any:
                for _ in range(8):
                    yield b" "
                    await asyncio.sleep(pause)

            for pause in (0.2, 0.05):
                refused(await http.post("/v1/predict", content=halting(pause), headers=JSON), "body_too_slow")

    asyncio.run(ask())


def test_tokens_in_files(tmp_path: Path) -> None:
    path = tmp_path / "token"
    for content in ("", "short", "two words of a token", "x" * 20 + "\ny"):
        path.write_text(content)
        with pytest.raises(DataError, match="a token is one line of at least 16"):
            read_token(path)
    with pytest.raises(DataError, match="the token cannot be read"):
        read_token(tmp_path / "absent")
    path.write_text(f"{TOKEN}\n")
    assert read_token(path) == TOKEN
    assert [is_loopback(host) for host in ("::1", "127.3.2.1", "0.0.0.0", "example.org")] == [True, True, False, False]
