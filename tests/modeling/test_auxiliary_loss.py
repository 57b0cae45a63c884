"""A baseline's own loss on its way through the model and the trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, ViTConfig

from clfa.modeling import CLFAConfig, CLFAForClassification
from clfa.training import CLFATrainer, CLFATrainingArguments

TINY: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}


def build(baseline: str = "clmlf", **options: Any) -> CLFAForClassification:
    torch.manual_seed(0)
    return CLFAForClassification(
        CLFAConfig(
            text_config=BertConfig(
                vocab_size=30, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **TINY
            ).to_dict(),
            vision_config=ViTConfig(image_size=32, patch_size=16, **TINY).to_dict(),
            hidden_size=6,
            num_attention_heads=2,
            intermediate_size=6,
            num_fusion_layers=1,
            num_labels=2,
            beta=0.5,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            classifier_dropout=0.0,
            baseline=baseline,
            baseline_options=options,
        )
    )


def batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {
        "input_ids": torch.randint(1, 30, (4, 5)),
        "attention_mask": torch.tensor([[1] * n + [0] * (5 - n) for n in (5, 3, 4, 2)]),
        "pixel_values": torch.randn(4, 3, 32, 32),
        "labels": torch.tensor([0, 1, 1, 0]),
    }


def test_it_is_added_to_the_total_in_training_only() -> None:
    model = build(token_dropout=0.0)
    output = model.train()(**batch())
    assert output.loss_auxiliary > 0
    torch.testing.assert_close(output.loss, 0.5 * output.loss_classification + output.loss_auxiliary)
    evaluated = model.eval()(**batch())
    assert evaluated.loss_auxiliary is None
    torch.testing.assert_close(evaluated.loss, 0.5 * evaluated.loss_classification)
    torch.testing.assert_close(evaluated.logits, output.logits)
    unlabelled = model.train()(**{name: tensor for name, tensor in batch().items() if name != "labels"})
    assert unlabelled.loss_auxiliary is None


def test_gradients_reach_everything() -> None:
    model = build().train()
    model(**batch()).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0 or name.endswith(("key.bias", "k_proj.bias")), name


def test_a_baseline_without_one() -> None:
    output = build("pooled_concat").train()(**batch())
    assert output.loss_auxiliary is None
    torch.testing.assert_close(output.loss, 0.5 * output.loss_classification)


@pytest.mark.parametrize("schedule", ["constant", "linear_decay"])
def test_the_trainer_keeps_and_logs_it(schedule: str, tmp_path: Path) -> None:
    model = build(token_dropout=0.0)
    arguments = CLFATrainingArguments(
        output_dir=str(tmp_path), alpha_schedule=schedule, use_cpu=True, disable_tqdm=True, report_to=[]
    )
    trainer = CLFATrainer(model, arguments, eval_dataset=[batch()])
    expected = model.train()(**batch())
    loss = trainer.compute_loss(model, batch())
    torch.testing.assert_close(loss, expected.loss)
    logs: dict[str, float] = {"loss": 1.0}
    trainer.log(logs)
    assert logs["loss_auxiliary"] == pytest.approx(expected.loss_auxiliary.item())
