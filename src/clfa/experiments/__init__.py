"""Experiments: training runs for rows x folds x seeds, described in YAML, resumable, with one table of results."""

from clfa.experiments.plan import PlannedRun, plan_runs, select_rows
from clfa.experiments.results import read_results, write_results
from clfa.experiments.run import ExperimentSummary, run_experiment
from clfa.experiments.schema import Experiment, experiment_dir, experiment_names, load_experiment

__all__ = [
    "Experiment",
    "ExperimentSummary",
    "PlannedRun",
    "experiment_dir",
    "experiment_names",
    "load_experiment",
    "plan_runs",
    "read_results",
    "run_experiment",
    "select_rows",
    "write_results",
]
