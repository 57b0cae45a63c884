"""Execution of one planned run, at most once, also after interruptions."""

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

from filelock import BaseFileLock, Timeout

from clfa.errors import CLFAError, DataError, RecipeError
from clfa.experiments.plan import PlannedRun
from clfa.files import atomic_write, read_json
from clfa.locks import file_lock

if TYPE_CHECKING:
    from clfa.experiments.corpora import Corpora
    from clfa.runs.run_folder import RunFolder

Status = Literal["finished", "skipped", "busy", "failed"]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunOutcome:
    """Result of executing a run.

    Args:
        status: ``finished`` (now), ``skipped`` (finished before), ``busy`` (in another process) or ``failed``.
        error: The error in one line.
        metrics: Content of ``metrics.json`` if the run finished now.
    """

    status: Status
    error: str = ""
    metrics: dict[str, Any] | None = None


def run_path(directory: Path, run: PlannedRun) -> Path:
    """Return the path of a run's folder."""
    return directory / "runs" / run.slug


def error_path(directory: Path, run: PlannedRun) -> Path:
    """Return the path of a failed run's error file: one line, then the traceback."""
    return run_path(directory, run) / "error.txt"


def read_error(directory: Path, run: PlannedRun) -> str:
    """Read the first line of a failed run's error; empty if there is none."""
    try:
        return error_path(directory, run).read_text(encoding="utf-8").partition("\n")[0]
    except FileNotFoundError:
        return ""


def write_error(directory: Path, run: PlannedRun, line: str, details: str = "") -> None:
    """Write a failed run's error file.

    Args:
        directory: The experiment's folder.
        run: The run.
        line: The error in one line.
        details: The traceback.
    """
    with atomic_write(error_path(directory, run)) as file:
        file.write(f"{' '.join(line.split())}\n{details}")


def is_finished(directory: Path, run: PlannedRun) -> bool:
    """Return whether the run has finished before.

    Raises:
        RecipeError: When the folder holds a finished run of another recipe.
    """
    from clfa.recipe import load_recipe

    folder = run_path(directory, run)
    if not is_whole(folder / "metrics.json"):
        return False
    names = {"name", "description"}
    if load_recipe(folder / "recipe.yaml").model_dump(exclude=names) != run.recipe.model_dump(exclude=names):
        raise RecipeError(f"{folder} holds a finished run of another recipe; move it away to run {run.label}.")
    return True


def is_whole(path: Path) -> bool:
    """Return whether a run's file of metrics is there and not damaged; a run without is done again."""
    try:
        read_json(path, dict, "run the experiment again")
    except (FileNotFoundError, DataError):
        return False
    return True


def execute(run: PlannedRun, directory: Path, corpora: Corpora, *, wait: bool = False) -> RunOutcome:
    """Execute a run in ``directory/runs/SLUG``, unless it has finished or another process executes it.

    The files of an interrupted or failed attempt are deleted first, so that time and memory are those of one complete
    run.

    Args:
        run: The run.
        directory: The experiment's folder.
        corpora: Cache of corpora of this process.
        wait: Wait for the other process instead of returning ``busy``.
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
                _require_same_data(run, folder, corpora)
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


def _require_same_data(run: PlannedRun, folder: RunFolder, corpora: Corpora) -> None:
    """Check that a finished run was made with the data as it is now; one that recorded nothing passes.

    Raises:
        DataError: If samples are gone, new, changed or in another split.
    """
    from clfa.runs.data_record import DataRecord

    before = DataRecord.read(folder.path)
    now = None if before is None else corpora.record(run.recipe, strict=run.strict)
    if before is not None and now is not None:
        before.require_same(now, folder.path)


def run_lock(directory: Path, run: PlannedRun) -> BaseFileLock:
    """Return the lock that a process holds while it executes a run; the system releases it when the process ends."""
    folder = directory / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return file_lock(folder / f"{run.slug}.lock")


def prune(folder: RunFolder, run: PlannedRun) -> None:
    """Delete a finished run's weights and checkpoints, unless the experiment keeps them."""
    if run.keep_model:
        return
    for part in (folder.model, folder.checkpoints):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(part)
