"""Programs forked from a process that has imported PyTorch, Transformers and the training code already.

Such an import takes most of the time of a short program. What a program does is the same; tests of the start itself
start Python.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

# What a training imports late is here, too.
_PRELOADED = [
    "clfa.cli.main",
    "clfa.runs.train",
    "clfa.runs.evaluate",
    "clfa.predictor.predictor",
    "clfa.experiments.run",
    "clfa.guides.clip",
    "clfa.modeling.model",
    "clfa.training.trainer",
    "matplotlib.pyplot",
    "transformers.models.bert.modeling_bert",
    "transformers.models.vit.modeling_vit",
    "transformers.models.clip.modeling_clip",
    "torch.distributed.fsdp",
    "torch.utils.tensorboard",
]


def warm_context() -> BaseContext:
    """Context of :mod:`multiprocessing` whose processes have the imports; where none forks, they import as usual."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


class Program:
    """A running call, in a session of its own, with its outputs in files."""

    def __init__(
        self,
        call: Callable[..., Any],
        arguments: Sequence[Any],
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start ``call(*arguments)``, which can be pickled, in ``folder`` with additional variables."""
        # Beside the folder, of which tests check what is in it.
        name = f"{folder.name}-{os.urandom(4).hex()}"
        self._out, self._err = (folder.parent / f"{name}.{stream}" for stream in ("out", "err"))
        for file in (self._out, self._err):
            file.touch()
        variables = {**os.environ, **(environment or {})}
        self._process = warm_context().Process(  # type: ignore[attr-defined]
            target=_run, args=(call, tuple(arguments), folder, variables, self._out, self._err)
        )
        self._process.start()
        self.pid: int = self._process.pid

    def wait(self, timeout: float = 600) -> int:
        """Return the exit code, negative for a signal."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            os.killpg(self.pid, signal.SIGKILL)
            raise TimeoutError(self.stderr)
        return int(self._process.exitcode)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return bool(self._process.is_alive())

    @property
    def stdout(self) -> str:
        """What it has printed."""
        return self._out.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        """What it has logged."""
        return self._err.read_text(encoding="utf-8")


def _run(
    call: Callable[..., Any], arguments: tuple[Any, ...], folder: Path, variables: dict[str, str], out: Path, err: Path
) -> None:
    # What the imports made is left out of collections of garbage.
    gc.freeze()
    os.setsid()
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    for file, stream in ((out, sys.stdout), (err, sys.stderr)):
        written = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        stream.flush()
        os.dup2(written, stream.fileno())
        os.close(written)
        stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    call(*arguments)


def clfa(*arguments: str) -> None:
    """Do what ``clfa ARGUMENTS`` does."""
    from clfa.cli.main import main

    sys.argv = ["clfa", *arguments]
    main()


def script(path: str, *arguments: str) -> None:
    """Do what ``python PATH ARGUMENTS`` does."""
    import runpy

    sys.argv = [path, *arguments]
    runpy.run_path(path, run_name="__main__")
