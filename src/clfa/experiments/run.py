"""Execution of a whole experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clfa.errors import Argument, RecipeError
from clfa.experiments.execute import RunOutcome
from clfa.experiments.plan import PlannedRun, check_plan, plan_runs, select_rows
from clfa.experiments.pool import run_all
from clfa.experiments.results import Results
from clfa.experiments.schema import Experiment
from clfa.locks import file_lock


@dataclass
class ExperimentSummary:
    """Results of the runs of an experiment.

    Args:
        finished: Runs that finished now.
        skipped: Runs that were finished before.
        failed: Runs that failed now, each with its error in one line.
    """

    finished: list[PlannedRun] = field(default_factory=list)
    skipped: list[PlannedRun] = field(default_factory=list)
    failed: list[tuple[PlannedRun, str]] = field(default_factory=list)


def run_experiment(
    experiment: Experiment,
    output: str | Path,
    *,
    jobs: int = 1,
    only: Sequence[str] = (),
    report: Callable[[PlannedRun, RunOutcome], None] | None = None,
) -> ExperimentSummary:
    """Execute the runs of an experiment that have not finished yet.

    ``output`` then holds ``experiment.yaml``, the run folders in ``runs/``, their logs in ``logs/``, and
    ``results.parquet`` and ``results.csv``, which are written again after every run. The process may be killed at any
    time and the function called again, also by several processes at once. Runs are executed in worker processes
    (``spawn``: a script that calls this function needs ``if __name__ == "__main__":``).

    Args:
        experiment: The experiment.
        output: Folder of the experiment.
        jobs: Number of worker processes; each gets an equal share of the cores.
        only: Names or patterns of the rows to run now; the table holds all rows that have finished.
        report: Called after every run.

    Returns:
        The runs that finished, were skipped or failed.

    Raises:
        RecipeError: When the plan is wrong, or ``output`` holds another experiment.
    """
    directory = Path(output)
    runs = plan_runs(experiment)
    chosen = select_rows(runs, only)
    check_plan(chosen)
    _claim(directory, experiment)
    results, summary = Results(directory, runs), ExperimentSummary()

    def note(run: PlannedRun, outcome: RunOutcome) -> None:
        if outcome.status == "failed":
            summary.failed.append((run, outcome.error))
        else:
            (summary.finished if outcome.status == "finished" else summary.skipped).append(run)
        if outcome.status != "skipped":
            results.write()
        if report is not None:
            report(run, outcome)

    run_all(chosen, directory, jobs, note)
    results.write()
    return summary


def _claim(directory: Path, experiment: Experiment) -> None:
    if (directory / "recipe.yaml").exists():
        raise RecipeError(f"{directory} is a run folder; give another ", Argument("output"), ".")
    directory.mkdir(parents=True, exist_ok=True)
    with file_lock(directory / "results.lock"):
        path = directory / "experiment.yaml"
        if path.is_file():
            from clfa.experiments.schema import load_experiment

            held = load_experiment(path).name
            if held != experiment.name:
                problem = f"{directory} holds the experiment {held!r}; give {experiment.name!r} another "
                raise RecipeError(problem, Argument("output"), ".")
        experiment.save(path)
