"""Experiments: training runs for rows x folds x seeds, described in YAML, resumable, with one table of results.

The public names are imported on first use, so that an experiment is checked before pandas is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.lazy import lazy_names

if TYPE_CHECKING:
    from clfa.experiments.plan import PlannedRun as PlannedRun
    from clfa.experiments.plan import plan_runs as plan_runs
    from clfa.experiments.plan import select_rows as select_rows
    from clfa.experiments.results import read_results as read_results
    from clfa.experiments.results import write_results as write_results
    from clfa.experiments.run import ExperimentSummary as ExperimentSummary
    from clfa.experiments.run import run_experiment as run_experiment
    from clfa.experiments.schema import Experiment as Experiment
    from clfa.experiments.schema import experiment_dir as experiment_dir
    from clfa.experiments.schema import experiment_names as experiment_names
    from clfa.experiments.schema import load_experiment as load_experiment

_MODULES = {
    "Experiment": "schema",
    "ExperimentSummary": "run",
    "PlannedRun": "plan",
    "experiment_dir": "schema",
    "experiment_names": "schema",
    "load_experiment": "schema",
    "plan_runs": "plan",
    "read_results": "results",
    "run_experiment": "run",
    "select_rows": "plan",
    "write_results": "results",
}

__all__ = list(_MODULES)


__getattr__ = lazy_names(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()})
