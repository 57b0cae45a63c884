from __future__ import annotations

from pathlib import Path

import pytest

from clfa.training import CLFATrainingArguments


def test_defaults_are_the_papers_scripts(tmp_path: Path) -> None:
    args = CLFATrainingArguments(output_dir=str(tmp_path))
    assert args.learning_rate == 1e-5
    assert args.warmup_steps == 0.05
    assert str(args.lr_scheduler_type.value) == "linear"
    assert args.weight_decay == 0.01
    assert args.max_grad_norm == 1.0
    assert args.per_device_train_batch_size == 8
    assert args.num_train_epochs == 30
    assert args.seed == 2022
    assert args.load_best_model_at_end
    assert (args.metric_for_best_model, args.greater_is_better) == ("macro_f1", True)
    assert (args.eval_strategy.value, args.save_strategy.value) == ("epoch", "epoch")
    assert (args.encoder_learning_rate, args.alpha_schedule, args.early_stopping_patience) == (None, "constant", 0)


def test_an_unknown_alpha_schedule_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="alpha_schedule is 'cosine'; choose one of constant, linear_decay"):
        CLFATrainingArguments(output_dir=str(tmp_path), alpha_schedule="cosine")
