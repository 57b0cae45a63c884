"""The service under load from a second process, with clients that are slow, idle or half-hearted beside the others.

    python -m benchmarks.serving RUN TABLE [--seconds 30] [--clients 16]

It starts ``clfa serve`` on a model, compares every answer with the offline prediction, and prints latency, throughput,
time of the processor per answer, refusals and memory as a table of Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.table_posts import table_posts
from clfa.runs.run_folder import RunFolder

TOLERANCE = 2e-5


@dataclass
class Case:
    """A post with its offline prediction."""

    text: str
    pictures: list[bytes]
    expected: dict[str, dict[str, float]]


@dataclass
class Tally:
    """What came of the requests."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    wrong: int = 0
    largest: float = 0.0
    cpu: float = 0.0
    memory: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("table", help="table of posts")
    parser.add_argument("--posts", type=int, default=64, help="different posts")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each stage")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64], help="clients at a time, by stage")
    parser.add_argument("--nuisances", type=int, default=50, help="slow, idle and half-sent connections beside them")
    options = parser.parse_args()
    cases = _cases(options.run, options.table, options.posts)
    with subprocess.Popen(
        [sys.executable, "-m", "clfa.cli.main", "serve", str(options.run), "--port", "0", "--precision", "fp32"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found, "the service did not start"
            print("| clients | answers | answers/s | p50, ms | p99, ms | CPU, ms | refused | wrong | memory, MB |")
            print(f"|{' ---: |' * 9}")
            for clients in options.clients:
                tally = asyncio.run(_stage(found[0], server.pid, cases, clients, options))
                spent = sorted(tally.seconds)
                p99 = spent[min(len(spent) - 1, int(0.99 * len(spent)))]
                print(
                    f"| {clients} | {len(spent):,} | {len(spent) / options.seconds:.1f} "
                    f"| {1000 * statistics.median(spent):.0f} | {1000 * p99:.0f} "
                    f"| {1000 * tally.cpu / len(spent):.0f} | {tally.refused} | {tally.wrong} "
                    f"| {tally.memory[0]:.0f} to {max(tally.memory):.0f} |",
                    flush=True,
                )
                print(f"largest difference from the offline prediction: {tally.largest:.1e}", file=sys.stderr)
        finally:
            server.terminate()


def _cases(run: Path, table: str, count: int) -> list[Case]:
    """Return posts with bytes for pictures, and what the model says of them here."""
    from clfa.data.images import read_image_bytes
    from clfa.tables.pictures import pictures_of

    classifier = PostClassifier.load(run)
    posts = [post for post in table_posts(table, RunFolder(run).read_columns(), ()) if isinstance(post, Post)]
    posts = random.Random(0).sample(posts, min(count, len(posts)))
    cases = []
    for post, found in zip(posts, classifier(posts), strict=True):
        if found.targets is not None:
            pictures = [read_image_bytes(one) for one in pictures_of(post.image)]
            expected = {name: dict(one.probabilities or {}) for name, one in found.targets.items()}
            cases.append(Case(post.text or "", pictures, expected))
    return cases


async def _stage(url: str, process: int, cases: list[Case], clients: int, options: argparse.Namespace) -> Tally:
    tally = Tally(cpu=-_cpu_seconds(process))
    end = time.monotonic() + options.seconds
    limits = httpx.Limits(max_connections=clients + 1)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as http:
        nuisances = [asyncio.create_task(_nuisance(url, number)) for number in range(options.nuisances)]
        watching = asyncio.create_task(_watch(process, tally))
        await asyncio.gather(*(_client(http, cases, number, end, tally) for number in range(clients)))
        tally.cpu += _cpu_seconds(process)
        for task in (*nuisances, watching):
            task.cancel()
        await asyncio.gather(*nuisances, watching, return_exceptions=True)
    return tally


async def _client(http: httpx.AsyncClient, cases: list[Case], number: int, end: float, tally: Tally) -> None:
    chance = random.Random(number)
    while time.monotonic() < end:
        case = chance.choice(cases)
        files = [("image", ("a", content)) for content in case.pictures] or [("image", ("", b""))]
        started = time.perf_counter()
        answer = await http.post("/v1/predict", data={"text": case.text}, files=files)
        if answer.status_code == 503:
            tally.refused += 1
            await asyncio.sleep(float(answer.headers["retry-after"]) * chance.random())
            continue
        answer.raise_for_status()
        tally.seconds.append(time.perf_counter() - started)
        targets = answer.json()["targets"]
        for name, probabilities in case.expected.items():
            for label, share in probabilities.items():
                difference = abs(targets[name]["probabilities"][label] - share)
                tally.largest = max(tally.largest, difference)
                tally.wrong += difference > TOLERANCE


async def _nuisance(url: str, number: int) -> None:
    """Connect again and again, and send nothing, half a head, half a body, or a body by single bytes."""
    host, _, port = url.removeprefix("http://").partition(":")
    lines = ("POST /v1/predict HTTP/1.1", "host: localhost", "content-type: application/json", "content-length: 9999")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    sent = (b"", head[:30], head + b"{" * 5000, head)[number % 4]
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(sent)
            for _ in range(100):
                if number % 4 == 3:
                    writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.2)
                if reader.at_eof():
                    break
            writer.close()
        except OSError:
            await asyncio.sleep(0.5)


def _cpu_seconds(process: int) -> float:
    """Return the time of the processor that the service has used; it says more than seconds where others work, too."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _watch(process: int, tally: Tally) -> None:
    while True:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        tally.memory.append(int(found[1]) / 1000 if found else 0.0)
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    main()
