"""A training that diverges stops, and names the step and the samples; nothing looks like a finished run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from clfa.errors import CLFAError, ModelError, TrainingError
from clfa.guides.maps import FittedSettings, fit_maps
from clfa.modeling import CLFAForClassification
from clfa.pretrained import is_finite, pretrained_model
from clfa.recipe import Recipe, load_recipe
from clfa.runs.evaluate import evaluate
from clfa.runs.train import train
from clfa.training import CLFATrainer
from clfa.training.divergence import diverged, first_not_finite, not_finite, sample_names

SMALL = ("guide={name: none}", "model.alpha=0", "training.yardsticks=false", "training.epochs=2")


@pytest.fixture
def recipe(tiny_overrides: list[str], posts_csv: Path) -> Callable[..., Recipe]:
    return lambda *changes: load_recipe("offline", [*tiny_overrides, *SMALL, f"data.dir={posts_csv}", *changes])


def poison(monkeypatch: pytest.MonkeyPatch, step: int, change: Callable[[CLFATrainer, Any], None]) -> None:
    compute_loss = CLFATrainer.compute_loss

    def poisoned(self: CLFATrainer, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if model.training and self.state.global_step == step - 1:
            change(self, inputs)
        return compute_loss(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(CLFATrainer, "compute_loss", poisoned)


def spoil_features(trainer: CLFATrainer, inputs: dict[str, Any]) -> None:
    inputs["text_features"][1] = math.nan


def spoil_weights(trainer: CLFATrainer, inputs: dict[str, Any]) -> None:
    with torch.no_grad():
        trainer.model.classifier.weight[0, 0] = math.inf  # type: ignore[union-attr,index]


@pytest.mark.parametrize("step", [1, 3, 6])
def test_a_sample_that_gives_no_finite_loss_is_named(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    seen: list[str] = []

    def change(trainer: CLFATrainer, inputs: dict[str, Any]) -> None:
        seen.append(trainer.train_dataset.split["id"][int(inputs["sample_index"][1])])  # type: ignore[union-attr]
        spoil_features(trainer, inputs)

    poison(monkeypatch, step, change)
    with pytest.raises(TrainingError) as caught:
        train(recipe(), tmp_path / "run")
    assert str(caught.value).startswith(f"training stopped at step {step}: the loss is nan (loss_classification nan)")
    assert f"Samples: '{seen[0]}'. Lower the learning rate (0.01)" in str(caught.value)
    run = tmp_path / "run"
    assert not (run / "metrics.json").exists()
    assert not (run / "model").exists()
    assert not list(run.glob("predictions-*"))
    # The first epoch has four steps.
    assert len(list(run.glob("checkpoints/checkpoint-*"))) == (1 if step > 4 else 0)


def test_weights_that_are_not_finite_stop_the_training(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, 2, spoil_weights)
    with pytest.raises(
        TrainingError, match=r"training stopped at step 2: the loss is nan .*Samples: ('p\d+', ){7}'p\d+'\."
    ):
        train(recipe(), tmp_path / "run")
    assert not list((tmp_path / "run").glob("checkpoints/checkpoint-*"))


def test_weights_that_the_loss_does_not_show_are_not_saved(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = CLFATrainer.training_step

    def spoiled(self: CLFATrainer, *args: Any, **kwargs: Any) -> Any:
        loss = step(self, *args, **kwargs)
        if self.state.global_step == 3:
            spoil_weights(self, {})
        return loss

    monkeypatch.setattr(CLFATrainer, "training_step", spoiled)
    # The last step of the epoch: validation is the first to see it.
    with pytest.raises(TrainingError, match="outputs for validation samples are not finite"):
        train(recipe(), tmp_path / "run")
    assert not list((tmp_path / "run").glob("checkpoints/checkpoint-*"))


def test_a_gradient_that_is_not_finite_stops_the_training(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = CLFATrainer.training_step

    def spoiled(self: CLFATrainer, *args: Any, **kwargs: Any) -> Any:
        loss = step(self, *args, **kwargs)
        self.model.classifier.weight.grad[0, 0] = math.nan  # type: ignore[union-attr,index]
        return loss

    monkeypatch.setattr(CLFATrainer, "training_step", spoiled)
    with pytest.raises(TrainingError, match=r"training stopped at step 1: the gradient is nan\. Samples: 'p"):
        train(recipe(), tmp_path / "run")


def test_a_learning_rate_that_diverges_ends_with_an_error(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clfa.runs import train_one as train_module

    make = train_module.training_arguments

    def huge(*args: Any) -> Any:
        arguments = make(*args)
        arguments.learning_rate, arguments.warmup_steps = 1e30, 0
        return arguments

    monkeypatch.setattr(train_module, "training_arguments", huge)
    with pytest.raises(TrainingError, match=r"training stopped at step \d: .*Samples: 'p.*learning rate \(1e\+30\)"):
        train(recipe(), tmp_path / "run")


def test_the_message_names_at_most_32_samples() -> None:
    said = str(diverged("the loss is inf", 7, [f"s{i}" for i in range(40)], 0.1, {"loss_classification": math.inf}))
    assert said.startswith("training stopped at step 7: the loss is inf (loss_classification inf). Samples: 's0', 's1'")
    assert "'s31' and 8 more. Lower" in said
    assert "Samples" not in str(diverged("the loss is nan", 1, [], 0.1))


def test_samples_without_ids_are_numbered() -> None:
    index = torch.tensor([4, 2])
    assert sample_names(object(), index) == ["4", "2"]
    assert sample_names(object(), index, [1]) == ["2"]
    assert sample_names(object(), None) == []
    assert not_finite(torch.tensor([[0.0, 1.0], [math.nan, 0.0], [0.0, math.inf]])) == [1, 2]
    assert not_finite(None) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_one_value_of_many_is_found(value: float, dtype: torch.dtype) -> None:
    tensor = torch.full((7, 5), 60_000.0).to(dtype)
    assert is_finite(tensor)
    tensor[3, 2] = value
    assert not is_finite(tensor)
    assert is_finite(torch.full((9,), 3e38))
    assert is_finite(torch.tensor([1, 2]))
    layer = nn.Linear(2, 2)
    assert first_not_finite(layer) is None
    with torch.no_grad():
        layer.bias[1] = value
    assert first_not_finite(layer) == "bias"


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("tensor", ["classifier.weight", "clfa.text_projection.fc1.bias"])
def test_a_model_with_weights_that_are_not_finite_is_not_loaded(
    tiny_run: Path, tmp_path: Path, value: float, tensor: str
) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    tensors = load_file(run / "model" / "model.safetensors")
    tensors[tensor].view(-1)[0] = value
    save_file(tensors, run / "model" / "model.safetensors", {"format": "pt"})
    message = rf"the model in '.*' has weights that are not finite numbers, '{tensor}' first"
    for load in (
        lambda: CLFAForClassification.from_pretrained(run / "model"),
        lambda: pretrained_model(CLFAForClassification, run / "model"),
        lambda: evaluate(run),
    ):
        with pytest.raises(ModelError, match=message):
            load()


def test_an_encoder_with_weights_that_are_not_finite_is_not_loaded(tiny_bert_dir: Path, tmp_path: Path) -> None:
    from transformers import BertModel

    from clfa.modeling.encoders import load_encoder

    encoder = BertModel.from_pretrained(tiny_bert_dir)
    with torch.no_grad():
        encoder.embeddings.word_embeddings.weight[0, 0] = math.nan
    encoder.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"not finite numbers, 'embeddings.word_embeddings.weight' first"):
        load_encoder(tmp_path, "text")


def test_a_guide_whose_fit_diverges_is_an_error() -> None:
    random = np.random.default_rng(0)
    x, y = (random.standard_normal((32, 4)).astype(np.float32) for _ in range(2))
    x[5] = np.nan
    with pytest.raises(TrainingError, match=r"the fit of the guide stopped in epoch 1, at pair 0: the loss is nan"):
        fit_maps(x, y, FittedSettings(dim=4, epochs=2), 0)


def test_histories_have_no_nan(recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clfa.training import trainer as trainer_module

    metrics = trainer_module.logged_metrics
    undefined = {"auc": math.nan, "ratio": math.inf}
    monkeypatch.setattr(trainer_module, "logged_metrics", lambda *args: {**metrics(*args), **undefined})
    train(recipe(), tmp_path / "run")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    files = list((tmp_path / "run").rglob("*.json"))
    assert {"trainer_state.json", "history.json", "metrics.json"} <= {path.name for path in files}
    for path in files:
        json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    history = json.loads((tmp_path / "run" / "history.json").read_text(encoding="utf-8"))
    assert [entry["eval_auc"] for entry in history if "eval_auc" in entry] == [None, None]


def test_a_training_error_is_one_for_users() -> None:
    assert issubclass(TrainingError, CLFAError)
