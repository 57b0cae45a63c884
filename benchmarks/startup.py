"""Start-up: imports, the command line's help, and the first training step of a run whose features are cached."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.probe import Channel

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
