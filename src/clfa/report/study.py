"""An experiment's folder as read for its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from clfa.errors import DataError
from clfa.experiments import Experiment, load_experiment, plan_runs, write_results
from clfa.experiments.plan import PlannedRun
from clfa.experiments.scores import shown_metrics
from clfa.files import read_json
from clfa.nearest import did_you_mean, path_hint
from clfa.runs.run_folder import is_run_folder


@dataclass
class Study:
    """An experiment with its results.

    Args:
        directory: The experiment's folder.
        experiment: The experiment.
        runs: All planned runs.
        frame: The table, one line per run that finished or failed.
        metrics: Scores to show; the first one is tested.
    """

    directory: Path
    experiment: Experiment
    runs: list[PlannedRun]
    frame: pd.DataFrame
    metrics: list[str]

    @classmethod
    def read(cls, directory: str | Path, metric: str | None = None) -> Study:
        """Read an experiment's folder and write its table again from the run folders.

        Args:
            directory: Output folder of ``clfa experiment``.
            metric: Metric to test instead of the experiment's first one.

        Raises:
            DataError: When there is no experiment or no finished run, or no run has the metric.
        """
        path = Path(directory)
        if not (path / "experiment.yaml").is_file():
            hint = path_hint(path) if not path.exists() else ""
            if is_run_folder(path):
                hint = " It is the run of one training: its scores are in metrics.json and model/README.md."
            raise DataError(
                f"{path} holds no experiment.yaml; make it with `clfa experiment FILE --output {path}`.{hint}"
            )
        experiment = load_experiment(path / "experiment.yaml")
        runs = plan_runs(experiment)
        frame = write_results(path, runs)
        if not (frame["status"] == "finished").any():
            raise DataError(f"no run in {path} has finished yet, so there is nothing to report.")
        metrics = shown_metrics(experiment.metrics, frame.columns, experiment.split)
        if metric is not None:
            if f"{experiment.split}.{metric}" not in frame:
                hint = did_you_mean(metric, metrics)
                raise DataError(f"no run in {path} has the metric {metric!r}; there are: {', '.join(metrics)}.{hint}")
            metrics = [metric, *(name for name in metrics if name != metric)]
        return cls(path, experiment, runs, frame, metrics)

    @property
    def split(self) -> str:
        """The split whose scores are shown."""
        return self.experiment.split

    @property
    def finished(self) -> pd.DataFrame:
        """Finished runs."""
        return self.frame[self.frame["status"] == "finished"]

    @property
    def failed(self) -> pd.DataFrame:
        """Failed runs."""
        return self.frame[self.frame["status"] == "failed"]

    @property
    def rows(self) -> list[str]:
        """Names of the rows with a finished run, in the experiment's order."""
        return list(dict.fromkeys(self.finished["row"]))

    @property
    def synthetic(self) -> bool:
        """Whether any run used the demo's data."""
        places = self.finished["config.data.dir"].dropna().unique()
        return bool((self.frame["recipe"] == "demo").any()) or any(Path(p, "demo.json").is_file() for p in places)

    @property
    def over_folds(self) -> bool:
        """Whether the runs use more than one fold; then training sets overlap and test sets differ."""
        return int(self.finished["fold"].nunique()) > 1

    @property
    def nested(self) -> bool:
        """Whether the runs use several seeds in several folds."""
        return self.over_folds and int(self.finished["seed"].nunique()) > 1

    @property
    def ratio(self) -> float:
        """Size of the scored split divided by that of the training split, mean over all runs; 0 without folds."""
        return self.ratio_of(*self.rows)

    def ratio_of(self, *rows: str) -> float:
        """Return :attr:`ratio` over the runs of some rows, which may have other numbers of training samples."""
        if not self.over_folds:
            return 0.0
        sizes = self.finished[self.finished["row"].isin(rows)]
        return float((sizes[f"data.samples.{self.split}"] / sizes["data.samples.train"]).mean())

    def scores(self, row: str, metric: str, split: str | None = None) -> dict[tuple[int | None, int], float]:
        """Return the scores of a row's runs by fold and seed, by default of the scored split."""
        return self.column(row, f"{split or self.split}.{metric}")

    def column(self, row: str, column: str) -> dict[tuple[int | None, int], float]:
        """Return the numbers in a column of a row's runs by fold and seed; empty if no run has a number."""
        if column not in self.finished:
            return {}
        runs = self.finished[(self.finished["row"] == row) & self.finished[column].notna()]
        return {
            (None if pd.isna(fold) else int(fold), int(seed)): float(score)
            for fold, seed, score in zip(runs["fold"], runs["seed"], runs[column], strict=True)
        }

    def units(self, scores: Mapping[tuple[int | None, int], float]) -> list[float]:
        """Return the values that statistics count as single observations.

        Over folds, the seeds of a fold share its training and test samples, so that they are no independent
        observations: a fold counts once, with the mean of its seeds. On one split every seed counts.

        Args:
            scores: Scores or differences by fold and seed.
        """
        if not self.over_folds:
            return list(scores.values())
        by_fold: dict[int | None, list[float]] = {}
        for (fold, _), score in scores.items():
            by_fold.setdefault(fold, []).append(score)
        return [sum(values) / len(values) for values in by_fold.values()]

    def folders(self, row: str) -> dict[tuple[int | None, int], Path]:
        """Return the folders of a row's finished runs by fold and seed."""
        runs = self.finished[self.finished["row"] == row]
        return {
            (None if pd.isna(fold) else int(fold), int(seed)): self.directory / "runs" / slug
            for fold, seed, slug in zip(runs["fold"], runs["seed"], runs["run"], strict=True)
        }

    def run_warnings(self, row: str) -> list[str]:
        """Read the warnings about the data of a row's finished runs, of those whose folders are still there."""
        return [line for metrics in self.run_metrics(row) for line in metrics.get("warnings", ())]

    def run_metrics(self, row: str) -> list[dict[str, Any]]:
        """Read ``metrics.json`` of a row's finished runs."""
        files = (folder / "metrics.json" for folder in self.folders(row).values())
        return [read_json(file, dict, again(file.parent)) for file in files if file.is_file()]


def again(folder: Path) -> str:
    """Return what to do about a damaged file of a run's folder."""
    return f"delete {folder} and run the experiment again"
