"""One planned run, done at most once whatever happens."""

from __future__ import annotations

import contextlib
import gc
import logging
import shutil
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from clfa.errors import CLFAError, RecipeError
from clfa.experiments.plan import PlannedRun
from clfa.files import atomic_write

if TYPE_CHECKING:
    from clfa.experiments.corpora import Corpora
    from clfa.runs.run_folder import RunFolder

Status = Literal["finished", "skipped", "busy", "failed"]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunOutcome:
    """What became of a run.

    Args:
        status: ``finished`` now, ``skipped`` (finished before), ``busy`` (another process is at it) or ``failed``.
        error: One line about what went wrong.
        metrics: Content of ``metrics.json`` of a run that finished now.
    """

    status: Status
    error: str = ""
    metrics: dict[str, Any] | None = None


def run_path(directory: Path, run: PlannedRun) -> Path:
    """Where a run's folder is."""
    return directory / "runs" / run.slug


def error_path(directory: Path, run: PlannedRun) -> Path:
    """Where a failed run's error is: one line, then the traceback."""
    return run_path(directory, run) / "error.txt"


def read_error(directory: Path, run: PlannedRun) -> str:
    """First line of a failed run's error, empty where there is none."""
    try:
        return error_path(directory, run).read_text(encoding="utf-8").partition("\n")[0]
    except FileNotFoundError:
        return ""


def write_error(directory: Path, run: PlannedRun, line: str, details: str = "") -> None:
    """Record that a run failed."""
    with atomic_write(error_path(directory, run)) as file:
        file.write(f"{' '.join(line.split())}\n{details}")


def is_finished(directory: Path, run: PlannedRun) -> bool:
    """Whether the run was done before.

    Raises:
        RecipeError: When the folder holds a finished run of another recipe.
    """
    from clfa.recipe import load_recipe

    folder = run_path(directory, run)
    if not (folder / "metrics.json").is_file():
        return False
    names = {"name", "description"}
    if load_recipe(folder / "recipe.yaml").model_dump(exclude=names) != run.recipe.model_dump(exclude=names):
        raise RecipeError(f"{folder} holds a finished run of another recipe; move it away to run {run.label}.")
    return True


def execute(run: PlannedRun, directory: Path, corpora: Corpora, *, wait: bool = False) -> RunOutcome:
    """Carry out a run in ``directory/runs/SLUG`` unless it is finished or another process is at it.

    What an interrupted or failed try left is deleted first: seconds and memory are then those of one whole run.

    Args:
        run: What to do.
        directory: The experiment's folder.
        corpora: Of the runs before in this process.
        wait: Wait for the other process instead of coming back as ``busy``.
    """
    from clfa.runs.resources import reset_peak_memory
    from clfa.runs.run_folder import RunFolder
    from clfa.runs.train import train

    lock = run_lock(directory, run)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        return RunOutcome("busy")
    try:
        folder = RunFolder(run_path(directory, run))
        started = time.perf_counter()
        try:
            if is_finished(directory, run):
                prune(folder, run)
                return RunOutcome("skipped")
            shutil.rmtree(folder.path, ignore_errors=True)
            gc.collect()
            reset_peak_memory()
            corpus = corpora.get(run.recipe, strict=run.strict)
            loading = time.perf_counter() - started
            result = train(run.recipe, folder.path, score_test=run.score_test, corpus=corpus)
            logger.info("%s: %.1f s of it loading data", run.label, loading)
            prune(folder, run)
            return RunOutcome("finished", metrics=result.metrics)
        except Exception as error:
            line = str(error) if isinstance(error, CLFAError) else f"{type(error).__name__}: {error}"
            write_error(directory, run, line, traceback.format_exc())
            return RunOutcome("failed", error=line)
    finally:
        lock.release()


def run_lock(directory: Path, run: PlannedRun) -> FileLock:
    """Held by the process that is at a run; the system lets it go when that process dies, however it dies."""
    folder = directory / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{run.slug}.lock")


def prune(folder: RunFolder, run: PlannedRun) -> None:
    """Delete a finished run's weights and checkpoints, unless they are to be kept."""
    if run.keep_model:
        return
    for part in (folder.model, folder.checkpoints):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(part)
