"""Replicas on two Ray nodes on this machine, one of which is killed under load."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from PIL import Image

from clfa.prediction.post import Post
from clfa.serving.served_model import ServedModel
from serving.conftest import picture

pytestmark = pytest.mark.slow
pytest.importorskip("ray.serve")

PATIENCE_S = 300.0
TOKEN = "a-token-of-this-test"
COLOURS = ["red", "green", "blue", "white"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head node and another one, each with one processor and little memory."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster as LocalCluster

    node = {"num_cpus": 1, "object_store_memory": 100_000_000}
    cluster = LocalCluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        cluster.add_node(**node)
        yield cluster
    finally:
        cluster.shutdown()


def wait_for(happened: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while not (found := happened()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found


def replicas(port: int) -> set[int]:
    """Processes of the replicas of a service."""
    found = set()
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if line.startswith("ray::ServeReplica:clfa-") and f"-{port}:" in line:
            found.add(process.pid)
    return found


def figure(client: httpx.Client, pattern: str) -> list[float]:
    text = client.get("/metrics").text
    return [float(number) for number in re.findall(rf"^{pattern} (\S+)", text, re.MULTILINE)]


def test_a_replica_killed_under_load(cluster: Any, tiny_run: Path, tmp_path: Path) -> None:
    pictures = [picture(colour) for colour in COLOURS]
    wanted = ServedModel.load(tiny_run).classifier([Post("so sunny", [one]) for one in pictures])
    (tmp_path / "token").write_text(TOKEN)
    options = ["--engine", "ray", "--address", cluster.address, "--port", "0", "--token-file", str(tmp_path / "token")]
    process = subprocess.Popen(
        [sys.executable, "-m", "clfa.cli.main", "serve", str(tiny_run), *options],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)$", process.stdout.readline())
        assert found
        port = int(found[1])
        with httpx.Client(
            base_url=found[0], headers={"authorization": f"Bearer {TOKEN}"}, timeout=PATIENCE_S
        ) as client:
            check_one(client, port)
            killed_under_load(client, port, pictures, wanted)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        wait_for(lambda: not replicas(port))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def check_one(client: httpx.Client, port: int) -> None:
    """What is the same as without a cluster."""
    assert len(replicas(port)) == 2
    assert figure(client, "clfa_replicas") == [2.0]
    assert (client.get("/healthz").text, client.get("/readyz").text) == ("ok", "ok")
    assert "<html" in client.get("/").text
    assert client.get("/v1/model").json()["name"] == "tiny"
    assert client.get("/v1/model", headers={"authorization": "Bearer wrong"}).status_code == 401
    refused = client.post("/v1/predict", json={"text": "a" * 10_001})
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "text_too_long")
    # More than a message of gRPC has by default, which is 4 MB.
    noise = io.BytesIO()
    Image.frombytes("RGB", (1500, 1500), os.urandom(6_750_000)).save(noise, "PNG")
    large = client.post("/v1/predict", files={"image": ("a.png", noise.getvalue())}, data={"text": "a"})
    assert large.status_code == 200, large.text


def killed_under_load(client: httpx.Client, port: int, pictures: list[bytes], wanted: list[Any]) -> None:
    """Every request is answered rightly or told to come again, and there are two replicas in the end."""
    over = threading.Event()

    def ask(number: int) -> list[httpx.Response]:
        answers = []
        while not over.is_set():
            files = {"image": ("a.png", pictures[number % 4])}
            answers.append(client.post("/v1/predict", data={"text": "so sunny"}, files=files))
            # The processor is also for the new replica, which starts meanwhile.
            over.wait(0.05)
        for one in answers:
            check_answer(one, wanted[number % 4])
        return answers

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, number) for number in range(8)]
        try:
            wait_for(lambda: all(number > 4 for number in figure(client, r'clfa_posts_total\{replica="\w+"\}')))
            before = replicas(port)
            os.kill(min(before), signal.SIGKILL)
            new = wait_for(lambda: now if len(now := replicas(port)) == 2 and now != before else None)
            wait_for(lambda: figure(client, "clfa_replicas") == [2.0])
        finally:
            over.set()
        statuses = [one.status_code for answers in asked for one in answers.result()]
    assert len(new & before) == 1
    assert statuses.count(200) > 20
    assert client.get("/readyz").status_code == 200
    # The new replica answers, too.
    answers = [client.post("/v1/predict", data={"text": "so sunny"}, files={"image": ("a.png", pictures[0])})]
    check_answer(answers[0], wanted[0])
    assert answers[0].status_code == 200


def check_answer(found: httpx.Response, wanted: Any) -> None:
    if found.status_code == 503:
        assert int(found.headers["retry-after"]) >= 1
        assert found.json()["error"]["code"] in ("replica_lost", "timed_out")
        return
    assert found.status_code == 200, found.text
    (target,) = found.json()["targets"].values()
    assert target["probabilities"] == pytest.approx(wanted.probabilities, abs=2e-6)
