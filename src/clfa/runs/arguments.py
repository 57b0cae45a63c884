"""Conversion of the training section of a recipe to Trainer arguments."""

from __future__ import annotations

from dataclasses import fields

from clfa.devices import best_device, resolve_precision
from clfa.errors import RecipeError
from clfa.modeling import CLFAForClassification
from clfa.modeling.encoders import is_frozen
from clfa.modeling.gather import process_count
from clfa.progress import bars
from clfa.recipe import Recipe
from clfa.runs.run_folder import RunFolder
from clfa.targets.default_label import selection_metric
from clfa.training import CLFATrainingArguments


def training_arguments(recipe: Recipe, folder: RunFolder, model: CLFAForClassification) -> CLFATrainingArguments:
    """Return arguments for training ``model`` by ``recipe``, with checkpoints in ``folder``.

    Keys with the name of a Trainer argument are passed on. The other keys are mapped here.
    """
    t = recipe.training
    encoders = (model.clfa.text_encoder, model.clfa.vision_encoder)
    trains_encoder = any(encoder is not None and not is_frozen(encoder) for encoder in encoders)
    precision = resolve_precision(t.precision, trains_encoder=trains_encoder)
    known = {field.name for field in fields(CLFATrainingArguments)}
    return CLFATrainingArguments(
        **{name: value for name, value in t if name in known},
        output_dir=str(folder.checkpoints),
        run_name=recipe.name,
        seed=recipe.seed,
        num_train_epochs=t.epochs,
        per_device_train_batch_size=share_of(t.batch_size, process_count()),
        per_device_eval_batch_size=t.eval_batch_size,
        warmup_steps=t.warmup_ratio,
        metric_for_best_model=selection_metric(model.config.target_list),
        use_cpu=best_device() == "cpu",
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        dataloader_num_workers=t.num_workers,
        dataloader_pin_memory=best_device() == "cuda",
        disable_tqdm=not bars(),
    )


def share_of(batch_size: int, processes: int) -> int:
    """Return the number of samples of each batch for one process.

    Raises:
        RecipeError: When the batch cannot be divided among the processes.
    """
    if batch_size % processes:
        raise RecipeError(
            f"training.batch_size is the batch of all processes together, and {batch_size} cannot be divided among "
            f"{processes}; start another number of them."
        )
    return batch_size // processes
