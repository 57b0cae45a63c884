"""``python -m benchmarks.neighbours``: training steps per second alone and beside busy programs.

PyTorch divides each operation among threads, and each waits for the slowest. GNU OpenMP lets a waiting thread compute
in a loop for a while, so that it goes on at once. Beside other programs it takes the processor from the threads that it
waits for. Measured is a small network on two threads (or ``--threads``) by how often the loop turns
(``GOMP_SPINCOUNT``), alone and beside as many busy programs as there are cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_BUSY = "while True: pass"
_STEPS = """
import json, sys, time
import torch
from torch import nn
torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
layers = nn.Linear(384, 256), nn.GELU(), nn.Linear(256, 128), nn.TransformerEncoderLayer(128, 4, 256, batch_first=True)
model = nn.Sequential(*layers, nn.Linear(128, 2))
optimizer = torch.optim.AdamW(model.parameters(), fused=True)
inputs, labels = torch.randn(32, 20, 384), torch.randint(2, (32,))
def step():
    nn.functional.cross_entropy(model(inputs).mean(1), labels).backward()
    optimizer.step()
    optimizer.zero_grad()
for _ in range(3): step()
steps, started, used = 0, time.perf_counter(), time.process_time()
while time.perf_counter() - started < float(sys.argv[2]):
    step()
    steps += 1
print(json.dumps([steps / (time.perf_counter() - started), 1000 * (time.process_time() - used) / steps]))
"""


def steps_per_second(turns: str, threads: int, seconds: float) -> tuple[float, float]:
    """Train in a process of its own; return steps per second and processor time per step in milliseconds.

    Args:
        turns: ``GOMP_SPINCOUNT``; empty for OpenMP's own number.
        threads: Threads of PyTorch.
        seconds: How long.
    """
    chosen = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in chosen}
    if turns:
        environment["GOMP_SPINCOUNT"] = turns
    command = [sys.executable, "-c", _STEPS, str(threads), str(seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    speed, used = json.loads(done.stdout)
    return speed, used


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Keep programs busy meanwhile."""
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def main(arguments: list[str] | None = None) -> None:
    """Measure in turns and print medians."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--threads", type=int, default=cores)
    options.add_argument("--repetitions", type=int, default=5)
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--turns", nargs="+", default=["", "1000"], help="values of GOMP_SPINCOUNT; empty: not set")
    chosen = options.parse_args(arguments)
    print(f"{chosen.threads} threads, {cores} cores; steps per second (processor time of a step)")
    for count in (0, cores):
        found: dict[str, list[tuple[float, float]]] = {turns: [] for turns in chosen.turns}
        with neighbours(count):
            for _ in range(chosen.repetitions):
                for turns, values in found.items():
                    values.append(steps_per_second(turns, chosen.threads, chosen.seconds))
        for turns, values in found.items():
            speed, used = (statistics.median(column) for column in zip(*values, strict=True))
            print(f"{count} busy programs, GOMP_SPINCOUNT {turns or 'not set'}: {speed:.1f} ({used:.0f} ms)")


if __name__ == "__main__":
    main()
