from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from clfa.modeling import CLFAForClassification
from clfa.recipe import TrainingRecipe, load_recipe
from clfa.runs.arguments import training_arguments
from clfa.runs.run_folder import RunFolder
from clfa.training import CLFATrainingArguments

ARGUMENTS = {field.name: field for field in fields(CLFATrainingArguments)}
# Runs write TensorBoard's logs into their folders; arguments alone have no folder of a run, and report to nothing.
REPORT = "report_to"
SHARED = [name for name in TrainingRecipe.model_fields if name in ARGUMENTS and name != REPORT]


def test_keys_that_the_trainer_knows_are_passed_on(tmp_path: Path, tiny_run: Path) -> None:
    values = {
        "gradient_accumulation_steps": 3,
        "learning_rate": 2e-3,
        "encoder_learning_rate": 3e-4,
        "weight_decay": 0.2,
        "lr_scheduler_type": "cosine",
        "max_grad_norm": 7.0,
        "alpha_schedule": "linear_decay",
        "group_by_length": True,
        "early_stopping_patience": 4,
        "ema_decay": 0.5,
        "unlabelled_share": 0.25,
    }
    assert list(values) == SHARED
    recipe = load_recipe("offline", [f"training.{name}={value}" for name, value in values.items()])
    model = CLFAForClassification.from_pretrained(tiny_run / "model")
    arguments = training_arguments(recipe, RunFolder(tmp_path), model)
    assert {name: getattr(arguments, name) for name in values} == values


@pytest.mark.parametrize("name", SHARED)
def test_recipes_and_arguments_have_one_default(name: str) -> None:
    default = ARGUMENTS[name].default
    assert default is not MISSING
    assert TrainingRecipe.model_fields[name].default == default


def test_keys_with_names_of_their_own(tmp_path: Path, tiny_run: Path) -> None:
    overrides = [
        "training.epochs=3",
        "training.batch_size=6",
        "training.eval_batch_size=5",
        "training.warmup_ratio=0.2",
    ]
    recipe = load_recipe("offline", [*overrides, "training.num_workers=0", "training.precision=fp32", "seed=9"])
    model = CLFAForClassification.from_pretrained(tiny_run / "model")
    arguments = training_arguments(recipe, RunFolder(tmp_path), model)
    assert (arguments.num_train_epochs, arguments.per_device_train_batch_size) == (3, 6)
    assert (arguments.per_device_eval_batch_size, arguments.warmup_steps) == (5, 0.2)
    assert (arguments.seed, arguments.bf16, arguments.fp16) == (9, False, False)
