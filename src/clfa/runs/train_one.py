"""Training of one network: data, guide, training, blend, final evaluation and run folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, set_seed

from clfa.data import Corpus
from clfa.data.overview import overview
from clfa.devices import best_device
from clfa.evaluation.plots import plot_learning_curves
from clfa.files import write_json
from clfa.pretrained import quiet_transformers
from clfa.processes import join
from clfa.recipe import Recipe
from clfa.runs.alignment import AlignmentRecord
from clfa.runs.arguments import training_arguments
from clfa.runs.blend import blend_run
from clfa.runs.concerns import run_concerns
from clfa.runs.corpus import load_corpus
from clfa.runs.data_record import DataRecord, begun_with, fixed_parts
from clfa.runs.encoded_splits import cache_features, encode_split
from clfa.runs.encoders import load_encoders
from clfa.runs.fit_outputs import fit_outputs
from clfa.runs.guide import check_guide, check_where, guide_identity, guide_metrics, make_guide, other_pairs
from clfa.runs.guide_cosine import guide_cosine
from clfa.runs.metrics import best_epoch, run_metrics, training_metrics
from clfa.runs.model import build_model
from clfa.runs.model_card import recipe_text
from clfa.runs.require_samples import require_splits
from clfa.runs.resources import cost, versions
from clfa.runs.run_folder import RunFolder
from clfa.runs.score import infer_split, score_split
from clfa.runs.student_rows import student_rows
from clfa.runs.training_targets import training_targets
from clfa.runs.unlabelled import training_rows
from clfa.runs.yardsticks import RunYardsticks
from clfa.targets.target import Target, label_matrix
from clfa.training import CLFATrainer
from clfa.training.lora import add_adapters
from clfa.training.recipe_report import RecipeReport
from clfa.training.time_limit import TimeLimit

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """Result of a finished run.

    Args:
        folder: The run folder.
        metrics: Content of ``metrics.json``.
    """

    folder: RunFolder
    metrics: dict[str, Any]


def train_one(
    recipe: Recipe,
    folder: RunFolder,
    *,
    resume: bool = False,
    strict: bool = False,
    score_test: bool = True,
    source: Any = None,
    corpus: Corpus | None = None,
    cache: Path | None = None,
    targets: list[Target] | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> RunResult:
    """Train one network by a recipe and evaluate it, or its blend with the yardsticks.

    Args:
        recipe: See :func:`clfa.runs.train.train`, also for the further arguments, result and errors.
        folder: The run folder, checked and locked.
        targets: Targets with the values fitted to the training data; fitted to the training split when not given.
        callbacks: Further callbacks of the Trainer.
    """
    started = time.perf_counter()
    processes = join(use_cpu=best_device() == "cpu")
    # The main process fills the caches here. The other processes read them.
    with processes.main_process_first():
        corpus = corpus or load_corpus(recipe, strict=strict, source=source, cache=cache)
        require_splits(corpus)
        train_rows = training_rows(recipe, corpus)
        if processes.is_main_process:
            for line in overview(corpus):
                logger.info(line)
        fitted = targets or training_targets(recipe, corpus)
        check_where(recipe, corpus)
        student_part = student_rows(recipe, corpus, train_rows)
        encoders = load_encoders(recipe, cache)
        record = DataRecord.of(recipe, corpus, encoders)
        if resume and (earlier := begun_with(folder)) is not None:
            corpus = earlier.restore(recipe, corpus, record, folder.path)
            train_rows, record = training_rows(recipe, corpus), earlier
            fitted = targets or training_targets(recipe, corpus)
        # The networks of a blend are trained on parts of the data that were looked at as a whole.
        concerns = run_concerns(recipe, corpus, encoders) if targets is None and processes.is_main_process else []
        for concern in concerns:
            logger.warning("%s", concern)
        cache_features(recipe, corpus, encoders)
        guide_figures = None
        others = other_pairs(recipe, corpus, encoders)
        guide = make_guide(recipe, corpus, encoders, others)
        record = record.with_guide(guide_identity(recipe, guide, others), folder.path)
        record = record.with_parts(fixed_parts(recipe, encoders, guide), folder.path)
        if guide is not None:
            guide_figures = guide_metrics(guide, check_guide(recipe, guide, corpus, encoders), others)
        train_set = encode_split(recipe, train_rows, encoders, guide, student_part)
        validation_set = encode_split(recipe, corpus.splits["validation"], encoders)
        yardsticks = None
        if recipe.training.yardsticks and processes.is_main_process:
            yardsticks = RunYardsticks(recipe, corpus, encoders, score_test=score_test)
    set_seed(recipe.seed)
    model = build_model(recipe.model, encoders, fitted, guide)
    adapters = None if recipe.training.lora is None else add_adapters(model, recipe.training.lora)
    # Create the folder only now, so that an earlier failure leaves no folder behind. Its work is cached.
    if processes.is_main_process:
        folder.begin(recipe)
        record.save(folder.path)
        folder.write_dropped([*corpus.dropped, *(others.dropped if others is not None else ())])
        if "columns" in corpus.facts:
            write_json(folder.columns, corpus.facts["columns"])
        if guide is not None:
            guide.save(folder.guide)
    prepared = time.perf_counter()
    trainer = CLFATrainer(
        model,
        training_arguments(recipe, folder, model),
        train_dataset=train_set,
        eval_dataset=validation_set,
        processing_class=encoders.processor,
    )
    trackers = recipe.training.report_to
    trainer.add_callback(RecipeReport(recipe_text(recipe), trackers, trainer.callback_handler.callbacks))
    for callback in callbacks:
        trainer.add_callback(callback)
    limit = None
    if recipe.training.time_limit is not None:
        limit = TimeLimit(recipe.training.time_limit, started)
        trainer.add_callback(limit)
    alignment = AlignmentRecord.of_run(recipe, model, validation_set) if processes.is_main_process else None
    checkpoint = folder.last_checkpoint() if resume else None
    with quiet_transformers():
        trainer.train(resume_from_checkpoint=checkpoint)
        model = trainer.whole_model()
    if adapters is not None:
        adapters.merge()
    trained = time.perf_counter()
    if not processes.is_main_process:
        processes.wait_for_everyone()
        return RunResult(folder, folder.read_metrics())

    weights = None
    if recipe.training.blend:
        assert yardsticks is not None
        model, weights = blend_run(recipe, corpus, encoders, model, validation_set, yardsticks, cache)
        # With the terms of the blend.
        validation_set = encode_split(recipe, corpus.splits["validation"], encoders)
    if recipe.training.calibrate or recipe.training.tune_thresholds:
        inference = infer_split(model, validation_set, "validation", recipe)
        fit_outputs(recipe, model, label_matrix(corpus.splits["validation"]), inference.logits)
    with quiet_transformers():
        model.save_pretrained(folder.model)
    encoders.processor.save_pretrained(folder.model)
    write_json(folder.history, trainer.state.log_history)
    plot_learning_curves(trainer.state.log_history, folder.curves, recipe.name, best_epoch(trainer))

    if guide is not None and guide_figures is not None:
        scored = ("validation", "test") if score_test else ("validation",)
        guide_figures |= guide_cosine(guide, corpus, encoders, scored)
    figures = training_metrics(recipe, model, trainer)
    if adapters is not None:
        figures |= adapters.figures
    if limit is not None:
        figures |= {"time_limit": limit.seconds, "epochs_left_out": limit.epochs_left_out}
    metrics = run_metrics(recipe, corpus, guide_figures, figures, concerns)
    if weights is not None:
        metrics["blend"] = weights
    for name in ("validation", "test") if score_test else ("validation",):
        if name in corpus.splits and len(corpus.splits[name]):
            data = validation_set if name == "validation" else encode_split(recipe, corpus.splits[name], encoders)
            metrics[name] = score_split(model, data, name, corpus, folder, recipe)
    if alignment is not None:
        metrics["validation"]["student_retrieval_before"] = alignment.before.to_dict()
        alignment.save(folder.alignment, model)
    if yardsticks is not None:
        metrics["yardsticks"] = yardsticks.metrics(fitted, cache)
    metrics["resources"] = cost(started, prepared, trained)
    metrics["versions"] = versions()
    write_json(folder.metrics, metrics)
    processes.wait_for_everyone()
    return RunResult(folder, metrics)
