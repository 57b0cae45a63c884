"""``clfa experiment`` and ``clfa report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clfa.cli.default_folder import default_folder
from clfa.terminal import console, echo

if TYPE_CHECKING:
    from clfa.experiments import Experiment, ExperimentSummary, PlannedRun
    from clfa.experiments.execute import RunOutcome


def experiment(
    source: Annotated[str, typer.Argument(metavar="FILE", help="Experiment's YAML file, or the name of a known one.")],
    output: Annotated[Path | None, typer.Option(help="Folder of the experiment. Default: runs/NAME.")] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Data directory, table file, or hub id.", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option(help="Runs at a time, each with its share of the cores.", min=1)] = 1,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Run only this row; `*` stands for anything. Repeatable.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and list the runs, without running any.")] = False,
) -> None:
    """Run the rows x folds x seeds of a YAML file; `clfa report` then writes the report.

    Finished runs are not repeated. After a kill, a changed row or a new seed, give the same command again. Several
    processes may work on one --output. The table so far is in OUTPUT/results.csv and results.parquet after every run.

    Examples:

        clfa experiment smoke --output runs/smoke

        clfa experiment my.yaml --data-dir posts.csv --jobs 4 --only "CLFA*"
    """
    from clfa.experiments.execute import is_finished
    from clfa.experiments.plan import check_data, check_names_known, check_plan, plan_runs, select_rows
    from clfa.experiments.schema import load_experiment
    from clfa.files import require_writable

    described = load_experiment(source, data_dir)
    target = output or default_folder(described.name)
    chosen = select_rows(plan_runs(described), only or [])
    check_names_known(chosen)
    if not dry_run:
        require_writable(target, folder=True)
    # Finished runs need no data.
    check_data([run for run in chosen if not is_finished(target, run)])
    # Imported after the names are checked, so that a misspelt one is reported at once.
    from clfa.experiments.run import run_experiment
    from clfa.report.published import published_rows

    published_rows(described.published)
    if dry_run:
        check_plan(chosen)
        _list_runs(described, chosen, target)
        return
    with _Progress(len(chosen), described.split, described.metrics[0]) as progress:
        summary = run_experiment(described, target, jobs=jobs, only=only or [], report=progress)
    _show_table(described, target)
    _show_summary(summary, target)
    if summary.failed:
        raise typer.Exit(1)


def report(
    directory: Annotated[Path, typer.Argument(help="Folder that `clfa experiment` made.")],
    output: Annotated[Path | None, typer.Option(help="HTML file to write. Default: DIRECTORY/report.html.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Score to test; the experiment's first when not given.", show_default=False)
    ] = None,
    samples: Annotated[
        bool, typer.Option(help="Show posts whose prediction changed, with their texts and images.")
    ] = True,
    latex: Annotated[
        bool, typer.Option("--latex", help="Write the tables as LaTeX, too: DIRECTORY/report.tex.")
    ] = False,
) -> None:
    """Write the report of an experiment, finished or not: one HTML file and one Markdown file.

    Tables with tests against the baseline row, learning curves, confusion matrices, alignment before and after, and
    samples whose prediction changed. The HTML file needs no network and no other file.
    """
    from clfa.report import write_report

    for page in write_report(directory, output, metric=metric, samples=samples, latex=latex):
        echo(page)


class _Progress:
    """Print one line per finished run, and a progress bar in a terminal."""

    def __init__(self, total: int, split: str, score: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._score, self._splits = score, dict.fromkeys(["validation", split])
        columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        terminal = console(stderr=True, soft_wrap=True)
        self._bar = Progress(*columns, console=terminal, disable=not terminal.is_terminal)
        self._task = self._bar.add_task("runs", total=total)
        self._console = terminal

    def __enter__(self) -> _Progress:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)

    def __call__(self, run: PlannedRun, outcome: RunOutcome) -> None:
        from clfa.experiments.results import flatten
        from clfa.experiments.scores import factor, title

        self._bar.advance(self._task)
        if outcome.status == "skipped":
            return
        line = f"{run.label}: FAILED: {outcome.error}"
        if outcome.metrics is not None:
            scores = dict(flatten(outcome.metrics))
            shown = [
                f"{name} {title(self._score)} {factor(self._score) * scores[key]:.1f}"
                for name in self._splits
                if (key := f"{name}.{self._score}") in scores
            ]
            shown.append(f"{scores['resources.seconds_total']:.0f} s")
            line = f"{run.label}: {', '.join(shown)}"
        self._console.print(line, highlight=False)


def _list_runs(described: Experiment, runs: list[PlannedRun], target: Path) -> None:
    from clfa.experiments.execute import is_finished

    done = 0
    for run in runs:
        finished = is_finished(target, run)
        done += finished
        settings = f"  [{' '.join(run.overrides)}]" if run.overrides else ""
        echo(f"{'done  ' if finished else '      '}{run.label}{settings}")
    rows = len({run.row for run in runs})
    echo(f"{described.name}: {len(runs):,} runs of {rows} rows in {target}, {done:,} of them done.")


def _show_table(described: Experiment, target: Path) -> None:
    from rich.table import Table

    from clfa.experiments.results import read_results
    from clfa.experiments.scores import factor, shown_metrics, title

    frame = read_results(target)
    frame = frame[frame["status"] == "finished"]
    scores = shown_metrics(described.metrics, frame.columns, described.split)
    table = Table("row", "runs", title=f"{described.name}: {described.split} split, mean ± standard deviation")
    for name in (*(title(score) for score in scores), "seconds"):
        table.add_column(name, justify="right")
    for row, runs in frame.groupby("row", sort=False):
        cells = []
        for name in scores:
            values = factor(name) * runs[f"{described.split}.{name}"].dropna()
            cells.append(f"{values.mean():.1f}" + (f" ± {values.std():.1f}" if len(values) > 1 else ""))
        table.add_row(str(row), str(len(runs)), *cells, f"{runs['resources.seconds_total'].median():.0f}")
    console().print(table)


def _show_summary(summary: ExperimentSummary, target: Path) -> None:
    echo(
        f"{len(summary.finished):,} runs finished, {len(summary.skipped):,} were finished before, "
        f"{len(summary.failed):,} failed. Table: {target / 'results.csv'}; pages: clfa report {target}"
    )
    for run, error in summary.failed:
        echo(f"  {run.label}: {error}")
