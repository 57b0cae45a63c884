"""The search: trials by Optuna, each a run folder, resumable after a kill."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from clfa.errors import Argument, CLFAError, RecipeError
from clfa.experiments.corpora import Corpora
from clfa.fields.space import Range
from clfa.files import atomic_write, require_writable
from clfa.jobs.lock import OutputLock
from clfa.recipe import Recipe, load_recipe, validate_recipe
from clfa.runs.data_record import DataRecord
from clfa.runs.run_folder import RunFolder
from clfa.runs.train import train
from clfa.sheets import SheetWriter
from clfa.tuning.pruning import Pruning
from clfa.yardsticks.standing import selection_score

logger = logging.getLogger(__name__)

_DONE = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
# Trials before the first one that may be pruned, and epochs of each that always run.
_STARTUP, _WARMUP = 5, 1


@dataclass(frozen=True)
class Found:
    """Result of a search.

    Args:
        path: The recipe with the best settings.
        score: Its validation score.
        settings: The settings.
        states: Number of trials by state: ``complete``, ``pruned``, ``fail``.
    """

    path: Path
    score: float
    settings: dict[str, Any]
    states: dict[str, int]


def tune(
    recipe: Recipe, output: str | Path, trials: int, *, report: Callable[[optuna.trial.FrozenTrial], None] | None = None
) -> Found:
    """Search the recipe's space for the best score on the validation split; the test split is not scored.

    The same call continues an interrupted search: finished trials are kept, the one that was interrupted is begun anew.

    Args:
        recipe: The recipe, with ``tune``.
        output: Folder of the search.
        trials: Number of trials, those of earlier calls among them.
        report: Called with each trial that has ended.

    Returns:
        The best trial, also written as ``best.yaml``; all of them are in ``trials.csv``.

    Raises:
        RecipeError: If the recipe declares no space or an impossible one, the folder has a search of another recipe, or
            no trial could be trained.
        DataError: If the data has changed since the search began.
        CLFAError: If the output cannot be written, or the data cannot be read.
    """
    if not recipe.tune:
        raise RecipeError(f"recipe {recipe.name} declares no space; add a section tune (docs/tuning.md).")
    if recipe.training.members > 1:
        raise RecipeError("a search trains one network at a time; set training.members=1, also for the winner's sake.")
    for key, part in recipe.tune.items():
        for value in (part.low, part.high) if isinstance(part, Range) else part.choices:
            _with_settings(recipe, {key: value})
    require_writable(output, folder=True)
    # Data that cannot be read are an error of the search, not of each trial.
    corpora = Corpora()
    corpora.get(recipe)
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    lock = OutputLock(folder / ".lock", folder)
    try:
        return _search(recipe, folder, trials, corpora, report)
    finally:
        lock.remove()


def _search(
    recipe: Recipe,
    folder: Path,
    trials: int,
    corpora: Corpora,
    report: Callable[[optuna.trial.FrozenTrial], None] | None,
) -> Found:
    declared = folder / "recipe.yaml"
    if declared.is_file() and load_recipe(declared).model_dump() != recipe.model_dump():
        raise RecipeError(f"{folder} holds a search of another recipe; give another ", Argument("output"), ".")
    found, before = corpora.record(recipe), DataRecord.read(folder)
    if found is not None and before is not None:
        before.require_same(found, folder)
    elif found is not None:
        found.save(folder)
    recipe.save(declared)
    study = _study(folder / "trials.journal", recipe)
    problems = dict[str, None]()
    while _ended(study) < trials:
        trial = study.ask()
        place = folder / "trials" / str(trial.number)
        # What a killed process left.
        shutil.rmtree(place, ignore_errors=True)
        try:
            study.tell(trial, _score(recipe, trial, place, corpora))
        except optuna.TrialPruned as reason:
            study.tell(trial, state=TrialState.PRUNED)
            logger.info("trial %d ended early: %s", trial.number, reason)
        except CLFAError as error:
            study.tell(trial, state=TrialState.FAIL)
            problems[str(error)] = None
            logger.warning("trial %d failed: %s", trial.number, error)
        for part in (RunFolder(place).model, RunFolder(place).checkpoints):
            shutil.rmtree(part, ignore_errors=True)
        _write(folder / "trials.csv", recipe, study)
        if report is not None:
            report(study.get_trials(deepcopy=False)[trial.number])
    states = {state.name.lower(): len(study.get_trials(deepcopy=False, states=[state])) for state in _DONE}
    if not states["complete"]:
        raise RecipeError(
            f"none of {trials} trials could be trained to the end: {'; '.join(problems) or 'see its log'}"
        )
    settings = _settings(recipe, study.best_trial.params)
    _with_settings(recipe, settings).save(folder / "best.yaml")
    return Found(folder / "best.yaml", study.best_value, settings, states)


def _ended(study: optuna.Study) -> int:
    """Return the number of trials that have ended, without those that were begun anew."""
    found = study.get_trials(deepcopy=False)
    replaced = {trial.user_attrs.get("again") for trial in found}
    return sum(trial.state in _DONE and trial.number not in replaced for trial in found)


def _study(journal: Path, recipe: Recipe) -> optuna.Study:
    """Return the study, with the trials of a killed process begun anew."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # This process alone writes the folder: what a killed one left is no lock, and no whole line.
    Path(f"{journal}.lock").unlink(missing_ok=True)
    if journal.is_file():
        content = journal.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            journal.write_bytes(whole)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.create_study(
        storage=storage,
        study_name=recipe.name,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP, n_warmup_steps=_WARMUP),
    )
    # Continued, a sampler would draw the same numbers again.
    earlier = study.get_trials(deepcopy=False)
    study.sampler = optuna.samplers.TPESampler(seed=(recipe.seed + len(earlier)) % 2**32)
    for trial in earlier:
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params, user_attrs={"again": trial.number})
    return study


def _score(recipe: Recipe, trial: optuna.Trial, place: Path, corpora: Corpora) -> float:
    chosen: dict[str, Any] = {}
    for key, part in recipe.tune.items():
        if not isinstance(part, Range):
            # Optuna takes texts and numbers only.
            chosen[key] = trial.suggest_categorical(key, [json.dumps(choice) for choice in part.choices])
        elif part.whole:
            step = 1 if part.step is None else int(part.step)
            chosen[key] = trial.suggest_int(key, int(part.low), int(part.high), log=part.log, step=step)
        else:
            chosen[key] = trial.suggest_float(key, part.low, part.high, log=part.log, step=part.step)
    own = _with_settings(recipe, _settings(recipe, chosen))
    corpus = corpora.get(own)
    metrics = train(own, place, score_test=False, corpus=corpus, callbacks=[Pruning(trial)]).metrics
    return selection_score(metrics["validation"])[1]


def _settings(recipe: Recipe, chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value if isinstance(recipe.tune[key], Range) else json.loads(value) for key, value in chosen.items()}


def _with_settings(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Return the recipe with settings, without its space.

    Raises:
        RecipeError: If they are impossible.
    """
    content = {**recipe.model_dump(), "tune": {}}
    for key, value in settings.items():
        *parents, last = key.split(".")
        section = content
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return validate_recipe(content, f"recipe {recipe.name} with {', '.join(f'{k}={v}' for k, v in settings.items())}")


def _write(path: Path, recipe: Recipe, study: optuna.Study) -> None:
    with atomic_write(path) as file:
        sheet = SheetWriter(file)
        sheet.row(["trial", "state", "score", *recipe.tune])
        for trial in study.get_trials(deepcopy=False):
            settings = _settings(recipe, trial.params)
            score = trial.value if trial.state == TrialState.COMPLETE else None
            sheet.row([trial.number, trial.state.name.lower(), score, *(settings.get(key) for key in recipe.tune)])
