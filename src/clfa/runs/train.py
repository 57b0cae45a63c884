"""One run: data, guide, training, one final evaluation, and a folder that holds it all."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import set_seed

from clfa.cpu import native_bfloat16, speed_up
from clfa.data import Corpus
from clfa.errors import RecipeError
from clfa.evaluation.inference import Inference, infer
from clfa.evaluation.metrics import classification_report
from clfa.evaluation.plots import plot_confusion_matrix, plot_learning_curves
from clfa.files import write_json
from clfa.guides import Guide, retrieval_report
from clfa.modeling import CLFAForClassification
from clfa.modeling.encoders import is_frozen
from clfa.modeling.gather import process_count
from clfa.pretrained import quiet_transformers
from clfa.processes import join
from clfa.processing.dataset import EncodedDataset
from clfa.recipe import ModelRecipe, Recipe
from clfa.runs.alignment import AlignmentRecord
from clfa.runs.modality_worth import modality_worth
from clfa.runs.prepare import Preparation, check_names, load_corpus, require_splits
from clfa.runs.resources import peak_memory_mb, versions
from clfa.runs.run_folder import RunFolder
from clfa.runs.target_report import report_targets, tuned
from clfa.targets.target import LABEL, SINGLE_LABEL, Target, label_matrix
from clfa.training import CLFATrainer, CLFATrainingArguments
from clfa.training.target_statistics import fit_targets

logger = logging.getLogger(__name__)

# Fields of the recipe's model section that are not fields of CLFAConfig.
_NOT_CONFIG = {"text_encoder", "vision_encoder", "max_length", "knowledge_max_length"}


@dataclass(frozen=True)
class RunResult:
    """What a finished run gives back.

    Args:
        folder: Where everything is.
        metrics: Content of ``metrics.json``.
    """

    folder: RunFolder
    metrics: dict[str, Any]


def train(
    recipe: Recipe,
    output: str | Path,
    *,
    resume: bool = False,
    strict: bool = False,
    score_test: bool = True,
    source: Any = None,
    corpus: Corpus | None = None,
    cache: Path | None = None,
) -> RunResult:
    """Carry out a recipe.

    The best epoch is chosen on the validation split, by macro-F1 or, with other targets than the one label, by the
    score of :func:`clfa.evaluation.target_metrics.score`; the test split, where there is one, is scored once, at
    the end.

    Under ``torchrun`` or ``accelerate launch`` every process calls this with the same arguments. The main one reads and
    caches first, and alone writes the run folder and scores; ``training.batch_size`` is divided among them all.

    Args:
        recipe: What to do.
        output: Run folder to make.
        resume: Continue the unfinished run in ``output``.
        strict: Make the first bad sample an error instead of leaving it out.
        score_test: Score the test split at the end; leave it alone while settings are still being chosen.
        source: Data instead of ``recipe.data.dir``: whatever the recipe's reader takes, for instance a table.
        corpus: What :func:`clfa.runs.prepare.load_corpus` gave before for an equal ``corpus_key``.
        cache: Cache directory; the default is ``$CLFA_CACHE`` or ``~/.cache/clfa``.

    Returns:
        The run folder and its metrics, in every process.

    Raises:
        CLFAError: Naming what is wrong with the recipe, data, encoders, guide or run folder.
    """
    started = time.perf_counter()
    processes = join(use_cpu=not has_accelerator())
    share_of(recipe.training.batch_size, processes.num_processes)
    folder = RunFolder(output)
    folder.check(recipe, resume)
    check_names(recipe)
    if resume and folder.metrics.is_file():
        logger.info("%s is finished already.", folder.path)
        return RunResult(folder, folder.read_metrics())
    # What the main process computes here it caches, and the others find it.
    with processes.main_process_first():
        corpus = corpus or load_corpus(recipe, strict=strict, source=source, cache=cache)
        require_splits(corpus)
        train_split, validation_split = corpus.splits["train"], corpus.splits["validation"]
        targets = corpus.targets or [Target(LABEL, label_names=tuple(corpus.label_names))]
        targets = fit_targets(targets, label_matrix(train_split), recipe.training.class_weights)
        preparation = Preparation(recipe, corpus, cache=cache)
        preparation.cache_features()
        guide = preparation.guide()
        guide_metrics = None if guide is None else _describe_guide(preparation, guide)

        train_set = preparation.dataset(train_split, guide)
        validation_set = preparation.dataset(validation_split)
    set_seed(recipe.seed)
    model = build_model(recipe.model, preparation, targets, guide)
    # Only now: what fails before leaves no folder in the way of the next try, and its work is cached.
    if processes.is_main_process:
        folder.begin(recipe)
        folder.write_dropped(corpus)
        if guide is not None:
            guide.save(folder.guide)
    prepared = time.perf_counter()
    trainer = CLFATrainer(
        model,
        training_arguments(recipe, folder, model),
        train_dataset=train_set,
        eval_dataset=validation_set,
        processing_class=preparation.processor,
    )
    alignment = AlignmentRecord.of_run(recipe, model, validation_set) if processes.is_main_process else None
    checkpoint = folder.last_checkpoint() if resume else None
    with quiet_transformers():
        trainer.train(resume_from_checkpoint=checkpoint)
        model = trainer.whole_model()
    trained = time.perf_counter()
    if not processes.is_main_process:
        processes.wait_for_everyone()
        return RunResult(folder, folder.read_metrics())

    if recipe.training.tune_thresholds:
        inference = _infer(model, validation_set, "validation", recipe)
        found = tuned(model.config.target_list, label_matrix(validation_split), inference.logits)
        model.config.targets = [target.to_dict() for target in found]
    with quiet_transformers():
        model.save_pretrained(folder.model)
    preparation.processor.save_pretrained(folder.model)
    write_json(folder.history, trainer.state.log_history)
    best_epoch = _best_epoch(trainer)
    plot_learning_curves(trainer.state.log_history, folder.curves, recipe.name, best_epoch)

    metrics: dict[str, Any] = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "fold": recipe.data.fold,
        "data": {
            "name": corpus.name,
            "samples": {name: len(split) for name, split in corpus.splits.items()},
            "dropped": corpus.dropped_counts(),
            **({"incomplete": corpus.facts["incomplete"]} if "incomplete" in corpus.facts else {}),
        },
        "guide": guide_metrics,
        "training": {
            "epochs_run": trainer.state.epoch,
            "best_epoch": best_epoch,
            f"best_validation_{trainer.args.metric_for_best_model}": trainer.state.best_metric,
            "parameters": sum(p.numel() for p in model.parameters()),
            "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        },
    }
    for name in ("validation", "test") if score_test else ("validation",):
        if name in corpus.splits and len(corpus.splits[name]):
            data = validation_set if name == "validation" else preparation.dataset(corpus.splits[name])
            metrics[name] = score_split(model, data, name, corpus, folder, recipe)
    if alignment is not None:
        metrics["validation"]["student_retrieval_before"] = alignment.before.to_dict()
        alignment.save(folder.alignment, model)
    peak = peak_memory_mb()
    metrics["resources"] = {
        "seconds_preparing": round(prepared - started, 1),
        "seconds_training": round(trained - prepared, 1),
        "seconds_total": round(time.perf_counter() - started, 1),
        "peak_memory_mb": None if peak is None else round(peak),
    }
    metrics["versions"] = versions()
    write_json(folder.metrics, metrics)
    processes.wait_for_everyone()
    return RunResult(folder, metrics)


def share_of(batch_size: int, processes: int) -> int:
    """Samples of each batch that one process trains on.

    Raises:
        RecipeError: When the batch cannot be divided among the processes.
    """
    if batch_size % processes:
        raise RecipeError(
            f"training.batch_size is the batch of all processes together, and {batch_size} cannot be divided among "
            f"{processes}; start another number of them."
        )
    return batch_size // processes


def build_model(
    recipe: ModelRecipe, preparation: Preparation, targets: Sequence[Target], guide: Guide | None
) -> CLFAForClassification:
    """A model with the prepared encoders and a fresh head.

    Args:
        recipe: The recipe's model section.
        preparation: Holds the encoders.
        targets: What to predict; one single-label target named ``label`` is the default task.
        guide: Sets the width that students are compared at.
    """
    first = targets[0]
    task: dict[str, Any] = {"targets": [target.to_dict() for target in targets]}
    if len(targets) == 1 and (first.name, first.problem_type) == (LABEL, SINGLE_LABEL):
        weights = None if first.class_weights is None else list(first.class_weights)
        task = {"label_names": first.label_names, "class_weights": weights}
    model: CLFAForClassification = CLFAForClassification.from_encoders(
        preparation.text_encoder,
        preparation.vision_encoder,
        **task,
        guide_dim=None if guide is None else guide.dim,
        **recipe.model_dump(exclude=_NOT_CONFIG),
    )
    # The encoders were loaded for this run.
    return speed_up(model)


def training_arguments(recipe: Recipe, folder: RunFolder, model: CLFAForClassification) -> CLFATrainingArguments:
    """The recipe's training section as arguments of the Trainer."""
    t = recipe.training
    encoders = (model.clfa.text_encoder, model.clfa.vision_encoder)
    trains_encoder = any(encoder is not None and not is_frozen(encoder) for encoder in encoders)
    precision = resolve_precision(t.precision, trains_encoder)
    return CLFATrainingArguments(
        output_dir=str(folder.checkpoints),
        run_name=recipe.name,
        seed=recipe.seed,
        num_train_epochs=t.epochs,
        per_device_train_batch_size=share_of(t.batch_size, process_count()),
        per_device_eval_batch_size=t.eval_batch_size,
        gradient_accumulation_steps=t.gradient_accumulation_steps,
        learning_rate=t.learning_rate,
        encoder_learning_rate=t.encoder_learning_rate,
        weight_decay=t.weight_decay,
        warmup_steps=t.warmup_ratio,
        lr_scheduler_type=t.lr_scheduler_type,
        max_grad_norm=t.max_grad_norm,
        alpha_schedule=t.alpha_schedule,
        group_by_length=t.group_by_length,
        early_stopping_patience=t.early_stopping_patience,
        ema_decay=t.ema_decay,
        metric_for_best_model="macro_f1" if model.config.targets is None else "score",
        use_cpu=not has_accelerator(),
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        dataloader_num_workers=t.num_workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to=["tensorboard"],
        disable_tqdm=not sys.stderr.isatty(),
    )


def has_accelerator() -> bool:
    """Whether there is anything but a CPU to train on."""
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def resolve_precision(wanted: str, trains_encoder: bool) -> str:
    """``fp32``, ``bf16`` or ``fp16``.

    Args:
        wanted: As in the recipe; ``auto`` picks bf16 where the hardware has it. On a CPU that pays only where an
            encoder is trained: the head's matrices are too small.
        trains_encoder: Whether any encoder takes gradients.
    """
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if has_accelerator():
        return "fp32"
    return "bf16" if trains_encoder and native_bfloat16() else "fp32"


def score_split(
    model: CLFAForClassification,
    dataset: EncodedDataset,
    name: str,
    corpus: Corpus,
    folder: RunFolder,
    recipe: Recipe,
) -> dict[str, Any]:
    """Evaluate one split and write its predictions and confusion matrix, or a picture of each target.

    Returns:
        Metrics, with the alignment of the two students (text-to-image retrieval) where there are two.
    """
    inference = _infer(model, dataset, name, recipe)
    if targets := model.config.target_list:
        report = report_targets(targets, inference, corpus.splits[name], folder, name, recipe.name)
        report |= _student_retrieval(inference, corpus.splits[name])
    else:
        report = report_split(inference, name, corpus, folder, recipe.name)
    t = recipe.training
    without = modality_worth(model, dataset, corpus.splits[name], t.eval_batch_size, t.num_workers)
    return {**report, "without": without} if without else report


def _infer(model: CLFAForClassification, dataset: EncodedDataset, name: str, recipe: Recipe) -> Inference:
    return infer(
        model,
        dataset,
        batch_size=recipe.training.eval_batch_size,
        num_workers=recipe.training.num_workers,
        description=f"{name} split",
    )


def _student_retrieval(inference: Inference, split: Dataset) -> dict[str, Any]:
    if inference.text_embeds is None or inference.image_embeds is None:
        return {}
    complete = [
        bool(text) and image is not None for text, image in zip(split["text"][:], split["image"][:], strict=True)
    ]
    if not any(complete):
        return {}
    students = inference.text_embeds[complete], inference.image_embeds[complete]
    return {"student_retrieval": retrieval_report(*students).to_dict()}


def report_split(inference: Inference, name: str, corpus: Corpus, folder: RunFolder, title: str) -> dict[str, Any]:
    """Metrics of predictions on a labelled split, its predictions file and its confusion matrix."""
    split = corpus.splits[name]
    labels = split.with_format("numpy")["label"][:]
    report = classification_report(labels, inference.logits.argmax(axis=-1), corpus.label_names)
    report |= _student_retrieval(inference, split)
    folder.write_predictions(name, split, inference, corpus.label_names)
    plot_confusion_matrix(
        report["confusion_matrix"], corpus.label_names, folder.confusion(name), f"{title}: {name} split"
    )
    return report


def _describe_guide(preparation: Preparation, guide: Guide) -> dict[str, Any]:
    report = preparation.guide_report(guide)
    logger.info("guide %s: %s", guide.name, report)
    return {
        "name": guide.name,
        "dim": guide.dim,
        "fingerprint": guide.fingerprint,
        "validation_retrieval": report.to_dict(),
    }


def _best_epoch(trainer: CLFATrainer) -> float | None:
    name = f"eval_{trainer.args.metric_for_best_model}"
    scores = [(log[name], -log["epoch"]) for log in trainer.state.log_history if name in log]
    return -max(scores)[1] if scores else None
