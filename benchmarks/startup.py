"""Start-up: imports, the command line's help, one post, and the first step of a run whose features are cached.

    python -m benchmarks.startup RUN --image a.jpg --text "best monday ever" --before ../old --after .

compares a one-post ``clfa predict`` in two checkouts, one after the other in every repetition.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.probe import Channel
from benchmarks.spread import alternate, ratios, spread

# What a person waits for, against the least that any program on these libraries waits for.
COMMANDS = {
    "import torch, transformers": "import torch, transformers; from transformers import Trainer",
    "import clfa": "import clfa",
    "clfa --help": "import sys; sys.argv = ['clfa', '--help']; from clfa.cli.main import main; main()",
    "import for training": "import clfa.runs.train",
    "import for prediction": "import clfa.prediction.predict",
}


def seconds_of(code: str, environment: dict[str, str] | None = None) -> float:
    """Seconds that a fresh interpreter takes for ``code``.

    Raises:
        RuntimeError: When it fails.
    """
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{code!r} failed:\n{done.stderr[-2000:]}")
    return seconds


class _FirstStep(Exception):
    """The first step is done."""


def first_step(channel: Channel, recipe: str, overrides: list[str], cache: str, started: float) -> None:
    """From the start of the process to the end of the first training step; one round.

    Args:
        channel: To the caller.
        recipe: Name of a recipe.
        overrides: Its overrides.
        cache: Cache directory, of an earlier run of the same.
        started: ``time.time()`` when the process was started.
    """
    channel.wait()
    from transformers import TrainerCallback, trainer

    from clfa.recipe import load_recipe
    from clfa.runs.train import train

    imported = time.time()

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            raise _FirstStep

    trainer.DEFAULT_CALLBACKS.append(Stop)
    with tempfile.TemporaryDirectory() as folder:
        try:
            train(load_recipe(recipe, overrides), Path(folder) / "run", cache=Path(cache))
        except _FirstStep:
            seconds = time.time() - started
    channel.report(seconds=seconds, import_seconds=imported - started)


# What libraries cost that a prediction has no use for.
_LIBRARIES = (
    "datasets",
    "pandas",
    "pyarrow",
    "sklearn",
    "scipy",
    "accelerate",
    "torch._dynamo",
    "transformers.trainer",
)

_ONE_POST = """
import json, sys, time
start = time.perf_counter()
from clfa.cli.main import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
seconds, cpu = time.perf_counter() - start, time.process_time()
status = open("/proc/self/status").read().split("VmHWM:") if sys.platform == "linux" else ["", "0"]
print(json.dumps({"cpu": cpu, "peak_mb": int(status[1].split()[0]) * 1024 / 1e6, "modules": list(sys.modules)}))
"""


def one_post(checkout: Path, arguments: list[str]) -> dict[str, Any]:
    """A one-post ``clfa predict`` in a fresh interpreter.

    Args:
        checkout: Its ``src`` is what is run.
        arguments: Of ``clfa predict``.

    Returns:
        ``seconds`` of the whole process, ``cpu`` seconds of it, ``peak_mb`` and ``modules``.

    Raises:
        RuntimeError: When it fails.
    """
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve() / "src")}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _ONE_POST, "predict", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{checkout}: clfa predict failed:\n{done.stderr[-2000:]}")
    return {"seconds": seconds, **json.loads(done.stdout.splitlines()[-1])}


def compare(checkouts: dict[str, Path], arguments: list[str], repetitions: int) -> None:
    """Print medians of both checkouts, and the first's seconds over the second's, repetition by repetition."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in checkouts}

    def once(name: str) -> float:
        found[name].append(one_post(checkouts[name], arguments))
        return float(found[name][-1]["seconds"])

    alternate({name: lambda name=name: once(name) for name in checkouts}, repetitions)  # type: ignore[misc]
    # The first round warms up.
    kept = {name: rounds[-repetitions:] for name, rounds in found.items()}
    for name, rounds in kept.items():
        figures = {key: spread([r[key] for r in rounds]).median for key in ("seconds", "cpu", "peak_mb")}
        there = [library for library in _LIBRARIES if library in rounds[-1]["modules"]]
        print(
            f"{name}: {figures['seconds']:.2f} s, {figures['cpu']:.2f} s of CPU time, {figures['peak_mb']:.0f} MB, "
            f"{len(rounds[-1]['modules'])} modules, among them {', '.join(there) or 'none of training'}"
        )
    for key, unit in (("seconds", "wall time"), ("cpu", "CPU time")):
        times = [[r[key] for r in rounds] for rounds in kept.values()]
        ratio = ratios(*times)
        print(f"{unit}: {ratio.median:.2f} times as fast (quartiles {ratio.low:.2f} to {ratio.high:.2f})")


def main() -> None:
    """Compare two checkouts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder that both can read")
    parser.add_argument("--image", required=True)
    parser.add_argument("--text", default="best monday ever")
    parser.add_argument("--before", type=Path, required=True, help="checkout of an earlier revision")
    parser.add_argument("--after", type=Path, default=Path())
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    arguments = [options.run, "--image", options.image, "--text", options.text]
    compare({"before": options.before, "after": options.after}, arguments, options.repetitions)


if __name__ == "__main__":
    main()
