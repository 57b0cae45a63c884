"""Training of several networks on folds of the training and validation data, blended with the yardsticks."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, concatenate_datasets
from sklearn.model_selection import StratifiedGroupKFold

from clfa.data import Corpus
from clfa.data.groups import duplicate_groups
from clfa.data.overview import overview
from clfa.devices import best_device
from clfa.errors import RecipeError
from clfa.evaluation.inference import Inference
from clfa.files import write_json
from clfa.pretrained import cache_dir, quiet_transformers
from clfa.processes import join
from clfa.recipe import Recipe
from clfa.runs.blend import Blended, Fold, blend, run_terms
from clfa.runs.concerns import run_concerns
from clfa.runs.corpus import load_corpus
from clfa.runs.data_record import DataRecord, begun_with
from clfa.runs.encoded_splits import cache_features, encode_split
from clfa.runs.encoders import Encoders, load_encoders
from clfa.runs.fit_outputs import fit_outputs
from clfa.runs.guide import check_where
from clfa.runs.metrics import run_metrics
from clfa.runs.require_samples import require_splits
from clfa.runs.resources import cost, versions
from clfa.runs.run_folder import RunFolder
from clfa.runs.score import infer_split, score_split
from clfa.runs.target_report import report_targets
from clfa.runs.train_one import RunResult, train_one
from clfa.runs.trained import load_trained
from clfa.runs.training_targets import training_targets
from clfa.runs.yardsticks import RunYardsticks
from clfa.targets.default_label import split_metrics
from clfa.targets.target import Target, label_matrix, label_slices
from clfa.yardsticks.compute import blend_outputs

logger = logging.getLogger(__name__)


def train_members(
    recipe: Recipe,
    folder: RunFolder,
    *,
    resume: bool = False,
    strict: bool = False,
    score_test: bool = True,
    source: Any = None,
    corpus: Corpus | None = None,
    cache: Path | None = None,
) -> RunResult:
    """Train ``training.members`` networks, each on all folds of the training and validation data but one.

    Equal posts are in the same fold, and each fold has about the same share of each class. A network chooses its best
    epoch on the fold that it holds out; so do the yardsticks their settings. The weights of the blend are fitted to the
    predictions for held-out posts, and so are calibrations and thresholds. The entry ``validation`` of ``metrics.json``
    has the held-out predictions for the validation split, ``out_of_fold`` those for training and validation split
    together; both are a little optimistic, because epochs, settings and weights were chosen on the same posts. No
    network sees the test split.

    With ``training.time_limit`` another network begins only if it is expected to end in time. The blend has those that
    finished, one at least; posts that none of them held out are not among the held-out predictions.

    Args:
        recipe: See :func:`clfa.runs.train.train`, also for the further arguments, result and errors.
        folder: The run folder, checked and locked.
    """
    started = time.perf_counter()
    if join(use_cpu=best_device() == "cpu").num_processes > 1:
        raise RecipeError("training.members above 1 trains in one process; start it without torchrun or accelerate.")
    corpus = corpus or load_corpus(recipe, strict=strict, source=source, cache=cache)
    require_splits(corpus)
    for line in overview(corpus):
        logger.info(line)
    check_where(recipe, corpus)
    encoders = load_encoders(recipe, cache)
    record = DataRecord.of(recipe, corpus, encoders)
    if resume and (earlier := begun_with(folder)) is not None:
        corpus, record = earlier.restore(recipe, corpus, record, folder.path), earlier
    concerns = run_concerns(recipe, corpus, encoders)
    for concern in concerns:
        logger.warning("%s", concern)
    targets = training_targets(recipe, corpus)
    rows = concatenate_datasets([corpus.splits["train"], corpus.splits["validation"]])
    held_out = _held_out(rows, targets, recipe.training.members, recipe.seed)
    cache_features(recipe, corpus, encoders)
    folder.begin(recipe)
    record.save(folder.path)
    folder.write_dropped(corpus.dropped)
    if "columns" in corpus.facts:
        write_json(folder.columns, corpus.facts["columns"])
    prepared = time.perf_counter()
    blended = _blended(recipe, folder, corpus, rows, held_out, targets, encoders, resume, cache, started)
    model = blended.model
    trained = time.perf_counter()
    count = model.config.num_members
    held = np.concatenate(held_out[:count])
    order = np.argsort(held)
    logits, labels = blended.logits[order].astype(np.float32), label_matrix(rows)[held[order]]
    fit_outputs(recipe, model, labels, logits)
    with quiet_transformers():
        model.save_pretrained(folder.model)
    encoders.processor.save_pretrained(folder.model)

    members = [folder.member(number).read_metrics() for number in range(1, count + 1)]
    limit = recipe.training.time_limit
    training = {
        "members": [{**member["training"], "guide": member["guide"]} for member in members],
        **({} if limit is None else {"time_limit": limit, "members_left_out": len(held_out) - count}),
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained_parameters": sum(member["training"]["trained_parameters"] for member in members),
    }
    metrics = run_metrics(recipe, corpus, None, training, concerns)
    metrics["blend"] = blended.report
    found = model.config.target_list
    metrics["out_of_fold"] = split_metrics(found, labels, logits)
    validated = _in_validation(corpus, held[order])
    validation = corpus.splits["validation"].select(validated)
    own = Inference(logits[-len(validated) :], None, None, np.empty((0, 0), np.float32))
    metrics["validation"] = report_targets(found, own, validation, folder, "validation", recipe.name)
    if score_test and len(corpus.splits.get("test", ())):
        test = encode_split(recipe, corpus.splits["test"], encoders)
        metrics["test"] = score_split(model, test, "test", corpus, folder, recipe)
    yardsticks = RunYardsticks(recipe, corpus, encoders, score_test=score_test)
    metrics["yardsticks"] = yardsticks.metrics(targets, cache)
    metrics["resources"] = cost(started, prepared, trained)
    metrics["versions"] = versions()
    write_json(folder.metrics, metrics)
    for number in range(1, len(held_out) + 1):
        # Their weights are in the blend.
        for part in (folder.member(number).model, folder.member(number).checkpoints):
            shutil.rmtree(part, ignore_errors=True)
    return RunResult(folder, metrics)


def _held_out(rows: Dataset, targets: Sequence[Target], count: int, seed: int) -> list[np.ndarray]:
    """Return the positions that each member holds out; each position is held out once.

    Raises:
        RecipeError: When there are fewer posts than members.
    """
    if len(rows) < count:
        raise RecipeError(f"training.members is {count}, and there are {len(rows)} posts to divide; use fewer members.")
    target, own = next(iter(label_slices(targets)))
    labels = label_matrix(rows)[:, own]
    strata = np.full(len(rows), -1)
    present = np.flatnonzero(~np.isnan(labels).any(axis=1))
    strata[present] = target.kind.groups(labels[present])
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return [held for _, held in folds.split(strata, strata, duplicate_groups(rows))]


def _in_validation(corpus: Corpus, positions: np.ndarray) -> np.ndarray:
    """Return the positions in the validation split of rows of training and validation split together."""
    inside = positions - len(corpus.splits["train"])
    return inside[inside >= 0]


def _can_be_scored(corpus: Corpus, positions: np.ndarray, targets: Sequence[Target]) -> bool:
    """Return whether there is a label of each target among the validation posts at ``positions``."""
    labels = label_matrix(corpus.splits["validation"])[_in_validation(corpus, positions)]
    return all(bool((~np.isnan(labels[:, own]).any(axis=1)).any()) for _, own in label_slices(targets))


def _blended(
    recipe: Recipe,
    folder: RunFolder,
    corpus: Corpus,
    rows: Dataset,
    held_out: Sequence[np.ndarray],
    targets: list[Target],
    encoders: Encoders,
    resume: bool,
    cache: Path | None,
    started: float,
) -> Blended:
    """Train the members and blend them; the processor of ``encoders`` gets the terms."""
    training = recipe.training.model_copy(
        update={"members": 1, "blend": False, "yardsticks": False, "tune_thresholds": False, "calibrate": False}
    )
    terms = run_terms(rows, encoders)
    whole = replace(corpus, splits=DatasetDict(train=rows, validation=corpus.splits["validation"]))
    everything = RunYardsticks(recipe, whole, encoders, score_test=False).data(targets, as_read=True)
    parts = {"text": "text_features", "image": "image_features"}
    scales = {name: everything.scale(name) for name, part in parts.items() if part not in everything.absent}
    folds: list[Fold] = []
    seconds: list[float] = []
    limit = recipe.training.time_limit
    for number, held in enumerate(held_out, 1):
        member = folder.member(number)
        left = np.inf if limit is None else started + limit - time.perf_counter()
        if (
            folds
            and not member.metrics.is_file()
            and max(seconds) > left
            and _can_be_scored(corpus, np.concatenate(held_out[: len(folds)]), targets)
        ):
            logger.warning(
                "The time limit of %g s leaves out %d of %d networks: another takes about %.0f s, and %.0f s are left.",
                limit,
                len(held_out) - len(folds),
                len(held_out),
                max(seconds),
                max(left, 0.0),
            )
            break
        logger.info("Member %d of %d", number, len(held_out))
        splits = DatasetDict(train=rows.select(np.setdiff1d(np.arange(len(rows)), held)), validation=rows.select(held))
        own = replace(corpus, splits=splits, dropped=[])
        if limit is not None:
            # One epoch is trained even if no time is left.
            training = training.model_copy(update={"time_limit": max(left, 1.0)})
        update = {
            "training": training,
            "name": f"{recipe.name}, member {number}",
            "seed": (recipe.seed + number - 1) % 2**32,
        }
        if not member.metrics.is_file():
            begun = resume and member.recipe.is_file()
            one = recipe.model_copy(update=update)
            train_one(one, member, resume=begun, score_test=False, corpus=own, cache=cache, targets=targets)
        seconds.append(member.read_metrics()["resources"]["seconds_total"])
        model, _ = load_trained(member)
        held_set = encode_split(recipe, splits["validation"], encoders)
        inference = infer_split(model, held_set, "held-out", recipe)
        data = RunYardsticks(recipe, own, encoders, score_test=False).data(
            targets, as_read=True, terms=terms, scales=scales
        )
        outputs = blend_outputs(data, cache or cache_dir())
        folds.append(Fold.of(recipe, model, inference, label_matrix(splits["validation"]), data, outputs))
    found = blend(folds, targets)
    encoders.processor.terms = terms if found.model.config.num_terms else None
    return found
