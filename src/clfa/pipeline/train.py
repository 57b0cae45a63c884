"""One run: data, guide, training, one final evaluation, and a folder that holds it all."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import set_seed

from clfa.data import Corpus
from clfa.evaluation.inference import Inference, infer
from clfa.evaluation.metrics import classification_metrics, classification_report
from clfa.evaluation.plots import plot_confusion_matrix, plot_learning_curves
from clfa.files import write_json
from clfa.guides import Guide, retrieval_report
from clfa.modeling import CLFAForClassification
from clfa.modeling.encoders import is_frozen
from clfa.pipeline.alignment import AlignmentRecord
from clfa.pipeline.prepare import Preparation, check_names, load_corpus, require_splits
from clfa.pipeline.resources import peak_memory_mb, versions
from clfa.pipeline.run_folder import RunFolder
from clfa.pretrained import quiet_transformers
from clfa.processing.dataset import EncodedDataset
from clfa.recipe import ModelRecipe, Recipe
from clfa.training import CLFATrainer, CLFATrainingArguments

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

    The best epoch is chosen by macro-F1 on the validation split; the test split, where there is one, is scored once, at
    the end.

    Args:
        recipe: What to do.
        output: Run folder to make.
        resume: Continue the unfinished run in ``output``.
        strict: Make the first bad sample an error instead of leaving it out.
        score_test: Score the test split at the end; leave it alone while settings are still being chosen.
        source: Data instead of ``recipe.data.dir``: whatever the recipe's reader takes, for instance a table.
        corpus: What :func:`clfa.pipeline.prepare.load_corpus` gave before for an equal ``corpus_key``.
        cache: Cache directory; the default is ``$CLFA_CACHE`` or ``~/.cache/clfa``.

    Returns:
        The run folder and its metrics.

    Raises:
        CLFAError: Naming what is wrong with the recipe, data, encoders, guide or run folder.
    """
    started = time.perf_counter()
    folder = RunFolder(output)
    folder.check(recipe, resume)
    check_names(recipe)
    if resume and folder.metrics.is_file():
        logger.info("%s is finished already.", folder.path)
        return RunResult(folder, folder.read_metrics())
    corpus = corpus or load_corpus(recipe, strict=strict, source=source, cache=cache)
    require_splits(corpus)
    preparation = Preparation(recipe, corpus, cache=cache)
    preparation.cache_features()
    guide = preparation.guide()
    guide_metrics = None if guide is None else _describe_guide(preparation, guide)

    train_split, validation_split = corpus.splits["train"], corpus.splits["validation"]
    train_set = preparation.dataset(train_split, guide)
    validation_set = preparation.dataset(validation_split)
    set_seed(recipe.seed)
    model = build_model(recipe.model, preparation, corpus.label_names, guide)
    # Only now: what fails before leaves no folder in the way of the next try, and its work is cached.
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
    alignment = AlignmentRecord.of_run(recipe, model, validation_set)
    checkpoint = folder.last_checkpoint() if resume else None
    with quiet_transformers():
        trainer.train(resume_from_checkpoint=checkpoint)
    trained = time.perf_counter()

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
            "best_validation_macro_f1": trainer.state.best_metric,
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
    metrics["resources"] = {
        "seconds_preparing": round(prepared - started, 1),
        "seconds_training": round(trained - prepared, 1),
        "seconds_total": round(time.perf_counter() - started, 1),
        "peak_memory_mb": round(peak_memory_mb()),
    }
    metrics["versions"] = versions()
    write_json(folder.metrics, metrics)
    return RunResult(folder, metrics)


def build_model(
    recipe: ModelRecipe, preparation: Preparation, label_names: list[str], guide: Guide | None
) -> CLFAForClassification:
    """A model with the prepared encoders and a fresh head.

    Args:
        recipe: The recipe's model section.
        preparation: Holds the encoders.
        label_names: Class names.
        guide: Sets the width that students are compared at.
    """
    model: CLFAForClassification = CLFAForClassification.from_encoders(
        preparation.text_encoder,
        preparation.vision_encoder,
        label_names,
        guide_dim=None if guide is None else guide.dim,
        **recipe.model_dump(exclude=_NOT_CONFIG),
    )
    return model


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
        per_device_train_batch_size=t.batch_size,
        per_device_eval_batch_size=t.eval_batch_size,
        gradient_accumulation_steps=t.gradient_accumulation_steps,
        learning_rate=t.learning_rate,
        encoder_learning_rate=t.encoder_learning_rate,
        weight_decay=t.weight_decay,
        warmup_steps=t.warmup_ratio,
        lr_scheduler_type=t.lr_scheduler_type,
        max_grad_norm=t.max_grad_norm,
        alpha_schedule=t.alpha_schedule,
        early_stopping_patience=t.early_stopping_patience,
        ema_decay=t.ema_decay,
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
    return "bf16" if trains_encoder and torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"


def score_split(
    model: CLFAForClassification,
    dataset: EncodedDataset,
    name: str,
    corpus: Corpus,
    folder: RunFolder,
    recipe: Recipe,
) -> dict[str, Any]:
    """Evaluate one split and write its predictions and confusion matrix.

    Returns:
        Metrics, with the alignment of the two students (text-to-image retrieval) where there are two.
    """
    inference = infer(
        model,
        dataset,
        batch_size=recipe.training.eval_batch_size,
        num_workers=recipe.training.num_workers,
        description=f"{name} split",
    )
    report = report_split(inference, name, corpus, folder, recipe.name)
    without = {
        modality: _headline(model, dataset, modality, corpus, recipe, name) for modality in removable_modalities(model)
    }
    return {**report, "without": without} if without else report


def removable_modalities(model: CLFAForClassification) -> tuple[str, ...]:
    """Modalities that the model can do without, so that what each is worth can be measured."""
    modalities = model.config.modalities if model.config.allow_missing_modalities else ()
    both = modalities if len(modalities) > 1 else ()
    return (*both, "knowledge") if model.config.use_knowledge else both


def _headline(
    model: CLFAForClassification,
    dataset: EncodedDataset,
    without: str,
    corpus: Corpus,
    recipe: Recipe,
    name: str,
) -> dict[str, float]:
    """Headline figures with one modality withheld."""
    inference = infer(
        model,
        dataset,
        batch_size=recipe.training.eval_batch_size,
        num_workers=recipe.training.num_workers,
        description=f"{name} split without {without}",
        without=without,
    )
    labels = corpus.splits[name].with_format("numpy")["label"][:]
    return classification_metrics(labels, inference.logits.argmax(axis=-1), len(corpus.label_names))


def report_split(inference: Inference, name: str, corpus: Corpus, folder: RunFolder, title: str) -> dict[str, Any]:
    """Metrics of predictions on a labelled split, its predictions file and its confusion matrix."""
    split = corpus.splits[name]
    labels = split.with_format("numpy")["label"][:]
    report = classification_report(labels, inference.logits.argmax(axis=-1), corpus.label_names)
    if inference.text_embeds is not None and inference.image_embeds is not None:
        complete = [
            bool(text) and image is not None for text, image in zip(split["text"][:], split["image"][:], strict=True)
        ]
        if any(complete):
            students = inference.text_embeds[complete], inference.image_embeds[complete]
            report["student_retrieval"] = retrieval_report(*students).to_dict()
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
    scores = [(log["eval_macro_f1"], -log["epoch"]) for log in trainer.state.log_history if "eval_macro_f1" in log]
    return -max(scores)[1] if scores else None
