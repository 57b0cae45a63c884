from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import TrainerCallback

from clfa.modeling import CLFAForClassification
from clfa.pretrained import pretrained_model
from clfa.processing.processor import CLFAProcessor
from clfa.training import CLFATrainingArguments
from clfa.training.averaging import TRAINED_WEIGHTS_FILE, WeightAverage
from training.test_trainer import model, processor, split, trainer_for  # noqa: F401 - fixtures


def test_average_against_numpy() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 3))
    module = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    average = WeightAverage(decay=0.5)
    expected = weights[0]
    for step, row in enumerate(weights, start=1):
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(row[None]))
        average.update(module, step)
        decay = min(0.5, step / (step + 10))
        expected = row if step == 1 else decay * expected + (1 - decay) * row
    np.testing.assert_allclose(average.averages["weight"].numpy()[0], expected, atol=1e-6)
    with average.applied(module):
        np.testing.assert_allclose(module.weight.detach().numpy()[0], expected, atol=1e-6)
    np.testing.assert_array_equal(module.weight.detach().numpy()[0], weights[-1])


def test_frozen_parameters_are_left_alone() -> None:
    module = nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    average = WeightAverage(0.9)
    average.update(module, 1)
    assert list(average.averages) == ["weight"]


class Stop(TrainerCallback):
    """Ends the training after an epoch, as a killed process would."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if round(state.epoch) == self.epoch:
            control.should_training_stop = True


def test_resumed_training_ends_where_an_uninterrupted_one_does(
    model: CLFAForClassification,  # noqa: F811
    split: Any,  # noqa: F811
    processor: CLFAProcessor,  # noqa: F811
    tiny_bert_dir: Path,
    tiny_vit_dir: Path,
    tmp_path: Path,
) -> None:
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    options: dict[str, Any] = {"num_train_epochs": 3, "ema_decay": 0.8, "save_total_limit": None, "seed": 5}
    whole = trainer_for(model, split, processor, tmp_path / "whole", **options)
    whole.train()
    expected = load_file(tmp_path / "whole" / "checkpoint-12" / "model.safetensors")

    model.load_state_dict(start)
    trainer_for(model, split, processor, tmp_path / "cut", **options, callbacks=[Stop(1)]).train()
    trained = load_file(tmp_path / "cut" / "checkpoint-4" / TRAINED_WEIGHTS_FILE)
    averaged = pretrained_model(CLFAForClassification, tmp_path / "cut" / "checkpoint-4")
    assert not torch.equal(trained["classifier.weight"], averaged.classifier.weight)

    model.load_state_dict(start)
    resumed = trainer_for(model, split, processor, tmp_path / "cut", **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "cut" / "checkpoint-4"))
    found = load_file(tmp_path / "cut" / "checkpoint-12" / "model.safetensors")
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-6, rtol=0, msg=name)


def test_what_is_evaluated_is_what_is_kept(
    model: CLFAForClassification,  # noqa: F811
    split: Any,  # noqa: F811
    processor: CLFAProcessor,  # noqa: F811
    tmp_path: Path,
) -> None:
    trainer = trainer_for(model, split, processor, tmp_path, ema_decay=0.8)
    trainer.train()
    best = max(log["eval_macro_f1"] for log in trainer.state.log_history if "eval_macro_f1" in log)
    trainer.average = None
    assert trainer.evaluate()["eval_macro_f1"] == best


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ema_decay": 1.0}, "ema_decay is 1.0; it must be at least 0 and below 1"),
        ({"ema_decay": 0.9, "load_best_model_at_end": False}, "ema_decay needs load_best_model_at_end"),
    ],
)
def test_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        CLFATrainingArguments(output_dir=str(tmp_path), use_cpu=True, **options)
