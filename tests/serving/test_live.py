"""A real server: slow, idle and half-sent requests take nothing from others; a reload and an end while it is busy."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from clfa.prediction.post import Post
from clfa.serving.schemas import EXAMPLE_PICTURE as SQUARE
from clfa.serving.served_model import ServedModel
from serving.conftest import picture
from serving.live import Live, live

POST = {"text": "so sunny", "image": SQUARE}
BODY = json.dumps(POST).encode()
HEAD = b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


@pytest.fixture(scope="module")
def server(tiny_run: Path) -> Iterator[Live]:
    bounds: dict[str, Any] = {"head_seconds": 1, "body_pause_seconds": 1, "write_seconds": 1, "max_connections": 20}
    with live(tiny_run, **bounds) as one:
        yield one


def answer(connection: socket.socket) -> bytes:
    """What the server sends until it closes."""
    received = b""
    connection.settimeout(20)
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def works(server: Live) -> bool:
    return httpx.post(f"{server.url}/v1/predict", json=POST, timeout=30).status_code == 200


def test_clients_that_wait_are_let_go_and_others_are_served(server: Live) -> None:
    idle, half_head, half_body, broken, early = (server.connect() for _ in range(5))
    half_head.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: loc")
    half_body.sendall(HEAD % len(BODY) + BODY[:10])
    broken.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    # Leaves in the middle of its body.
    early.sendall(HEAD % len(BODY) + BODY[:10])
    early.close()
    assert works(server)
    started = time.monotonic()
    assert answer(idle) == b""
    assert answer(half_head).startswith(b"HTTP/1.1 408 ")
    found = answer(half_body)
    assert found.startswith(b"HTTP/1.1 408 ")
    assert b'"body_too_slow"' in found
    found = answer(broken)
    assert found.startswith(b"HTTP/1.1 400 ")
    assert b'"malformed_request"' in found
    assert time.monotonic() - started < 15
    assert works(server)


def test_a_body_that_is_refused_is_answered_before_it_has_come(server: Live) -> None:
    connection = server.connect()
    connection.sendall(HEAD % 10**12 + b" " * 1000)
    found = answer(connection)
    assert found.startswith(b"HTTP/1.1 413 ")
    assert b'"body_too_large"' in found


def test_a_client_that_does_not_read_is_let_go(server: Live) -> None:
    connection = socket.socket()
    for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        connection.setsockopt(socket.SOL_SOCKET, buffer, 2048)
    connection.connect(("127.0.0.1", server.port))
    connection.settimeout(120)
    # Requests whose answers nobody takes, one after the other.
    request = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n"
    with pytest.raises(OSError, match=r"reset|pipe"):
        connection.sendall(request * 20_000)
    assert works(server)


def test_more_connections_than_allowed_close_the_idle_ones(server: Live) -> None:
    before = closed(server)
    crowd = [server.connect() for _ in range(40)]
    assert works(server)
    assert closed(server) >= before + 10
    for one in crowd:
        one.close()


def closed(server: Live) -> float:
    """Connections that were closed because there were too many."""
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    found = re.search(r'^clfa_refused_total\{reason="too_many_connections"\} (\S+)', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.slow
def test_reload_and_end_while_busy(tiny_run: Path) -> None:
    colours = ["red", "green", "blue", "white"]
    pictures = [picture(colour) for colour in colours]
    wanted = ServedModel.load(tiny_run).classifier([Post("so sunny", [one]) for one in pictures])
    with live(tiny_run, pause=0.2, max_batch=2) as one:

        def ask(number: int) -> httpx.Response:
            files = {"image": ("a.png", pictures[number % 4])}
            return httpx.post(f"{one.url}/v1/predict", data={"text": "so sunny"}, files=files, timeout=60)

        with ThreadPoolExecutor(24) as pool:
            asked = [pool.submit(ask, number) for number in range(24)]
            while arrived(one) < 24:
                time.sleep(0.1)
            one.send(signal.SIGHUP)
            time.sleep(0.5)
            one.send(signal.SIGTERM)
            answers = [future.result() for future in asked]
        assert one.program.wait(30) == 0
        log = one.log
    assert [found.status_code for found in answers] == [200] * 24
    for number, found in enumerate(answers):
        target = next(iter(found.json()["targets"].values()))
        assert target["probabilities"] == pytest.approx(wanted[number % 4].probabilities, abs=2e-6)
    assert log
    assert [line for line in log if "sunny" in line or "127.0.0.1" in line] == []


def arrived(server: Live) -> float:
    """Posts that wait or have an answer."""
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    return sum(float(number) for number in re.findall(r"^clfa_(?:waiting|posts_total) (\S+)", text, re.MULTILINE))
