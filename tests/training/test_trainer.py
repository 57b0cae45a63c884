from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainerCallback, set_seed

from clfa.cpu import clipping, memory, packed
from clfa.cpu.clipping import clip_within_step, takes_scale
from clfa.cpu.linear import Linear
from clfa.data.assemble import image_at, to_dataset
from clfa.errors import ModelError
from clfa.modeling import CLFAForClassification
from clfa.pretrained import pretrained_model
from clfa.processing.dataset import EncodedDataset
from clfa.processing.processor import CLFAProcessor
from clfa.training import CLFATrainer, CLFATrainingArguments
from clfa.training.length_groups import LengthGroupedSampler
from clfa.training.trainer import UNFROZEN_WEIGHTS_FILE
from posts import make_posts

HEAD = {
    "hidden_size": 8,
    "projection_hidden_size": 8,
    "intermediate_size": 8,
    "num_attention_heads": 2,
    "num_fusion_layers": 1,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "classifier_dropout": 0.0,
}
GUIDE_DIM = 8


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("pictures")
    return to_dataset(
        [
            {
                "id": post["id"],
                "text": post["text"],
                "image": image_at(str(folder / post["image"])),
                "knowledge": None,
                "label": number % 2,
            }
            for number, post in enumerate(make_posts(folder, 16))
        ],
        ["bad", "good"],
    )


@pytest.fixture
def processor(tiny_bert_dir: Path, tiny_vit_dir: Path) -> CLFAProcessor:
    return CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir)


@pytest.fixture
def model(tiny_bert_dir: Path, tiny_vit_dir: Path) -> CLFAForClassification:
    torch.manual_seed(0)
    found: CLFAForClassification = CLFAForClassification.from_encoders(
        tiny_bert_dir, tiny_vit_dir, ["bad", "good"], guide_dim=GUIDE_DIM, alpha=0.5, beta=2.0, **HEAD
    )
    return found


def guided(split: Dataset, processor: CLFAProcessor) -> EncodedDataset:
    embeds = np.random.default_rng(0).normal(size=(2, len(split), GUIDE_DIM)).astype(np.float32)
    return EncodedDataset(split, processor, guide_embeds=(embeds[0], embeds[1]))


def trainer_for(
    model: CLFAForClassification, split: Dataset, processor: CLFAProcessor, output: Path, **options: Any
) -> CLFATrainer:
    extra = {name: options.pop(name) for name in ("compute_metrics", "callbacks") if name in options}
    arguments = {"num_train_epochs": 2, "per_device_train_batch_size": 4, "learning_rate": 1e-3, **options}
    return CLFATrainer(
        model,
        CLFATrainingArguments(output_dir=str(output), report_to=[], disable_tqdm=True, use_cpu=True, **arguments),
        train_dataset=guided(split, processor),
        eval_dataset=EncodedDataset(split, processor),
        processing_class=processor,
        **extra,
    )


class Scripted:
    """Validation scores by evaluation, instead of the model's own."""

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)

    def __call__(self, prediction: Any) -> dict[str, float]:
        return {"macro_f1": self.scores.pop(0)}


def test_loss_parts_are_logged_apart_and_add_up(
    model: CLFAForClassification, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    trainer = trainer_for(model, split, processor, tmp_path, num_train_epochs=1)
    trainer.train()
    (log,) = [entry for entry in trainer.state.log_history if "loss" in entry]
    alignment = log["loss_text_alignment"] + log["loss_image_alignment"]
    assert log["loss"] == pytest.approx(2.0 * log["loss_classification"] + 0.5 * alignment, abs=1e-5)
    assert log["loss_text_alignment"] > 0.1
    (evaluation,) = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    # Validation samples carry no guide embeddings: their loss is the weighted classification loss alone.
    assert {"eval_accuracy", "eval_macro_f1", "eval_weighted_f1", "eval_binary_f1"} <= set(evaluation)
    assert not any("alignment" in name for name in evaluation)


def test_each_log_covers_the_steps_since_the_last(
    model: CLFAForClassification, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    seen: list[float] = []
    trainer = trainer_for(model, split, processor, tmp_path, num_train_epochs=1, logging_strategy="steps")
    trainer.args.logging_steps = trainer.state.logging_steps = 2
    compute = trainer.compute_loss

    def spy(*args: Any, **kwargs: Any) -> Any:
        result = compute(*args, **kwargs)
        if args[0].training:
            seen.append(trainer._parts["loss_text_alignment"][-1].item())
        return result

    trainer.compute_loss = spy
    trainer.train()
    logs = [entry["loss_text_alignment"] for entry in trainer.state.log_history if "loss" in entry]
    assert logs == pytest.approx([np.mean(seen[:2]), np.mean(seen[2:4])], abs=1e-6)


@pytest.mark.parametrize(("schedule", "factor"), [("constant", 1.0), ("linear_decay", 0.75)])
def test_alpha_follows_its_schedule(
    model: CLFAForClassification,
    split: Dataset,
    processor: CLFAProcessor,
    tmp_path: Path,
    schedule: str,
    factor: float,
) -> None:
    trainer = trainer_for(model, split, processor, tmp_path, alpha_schedule=schedule)
    trainer.state.max_steps, trainer.state.global_step = 8, 2
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(4)])
    loss, outputs = trainer.compute_loss(model.train(), batch, return_outputs=True)
    alignment = outputs.loss_text_alignment + outputs.loss_image_alignment
    expected = 2.0 * outputs.loss_classification + 0.5 * factor * alignment
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    # The weight of the students' term is not scheduled.
    outputs.loss_students_alignment = torch.tensor(3.0)
    model.forward = lambda **_: outputs
    model.config.students_weight = 0.1
    loss = trainer.compute_loss(model, batch)
    assert loss.item() == pytest.approx(expected.item() + 0.3, abs=1e-6)
    del model.forward
    # Evaluation knows no schedule.
    trainer.state.global_step = 8
    loss, outputs = trainer.compute_loss(model.eval(), batch, return_outputs=True)
    assert loss.item() == pytest.approx(outputs.loss.item(), abs=1e-6)


def test_parameter_groups(
    model: CLFAForClassification, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    trainer = trainer_for(model, split, processor, tmp_path, encoder_learning_rate=2e-5, weight_decay=0.05)
    optimizer = trainer.create_optimizer()
    assert isinstance(optimizer, torch.optim.AdamW)
    settings = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    named = dict(model.named_parameters())
    assert len(settings) == len(named)
    for name, parameter in named.items():
        rate = 2e-5 if name.startswith(("clfa.text_encoder.", "clfa.vision_encoder.")) else 1e-3
        norm_or_bias = name.endswith(".bias") or "norm" in name.lower()
        assert settings[id(parameter)] == (rate, 0.0 if norm_or_bias else 0.05), name
    assert sum("norm" in name.lower() and name.endswith("weight") for name in named) > 5


def test_frozen_parameters_are_not_given_to_the_optimizer(
    tiny_bert_dir: Path, tiny_vit_dir: Path, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    model = CLFAForClassification.from_encoders(
        tiny_bert_dir, tiny_vit_dir, ["a", "b"], freeze_text_encoder=True, freeze_vision_encoder=1, **HEAD
    )
    trainer = trainer_for(model, split, processor, tmp_path)
    given = {id(p) for group in trainer.create_optimizer().param_groups for p in group["params"]}
    names = {name for name, parameter in model.named_parameters() if id(parameter) in given}
    assert not any(name.startswith("clfa.text_encoder.") for name in names)
    vision = {name for name in names if name.startswith("clfa.vision_encoder.")}
    assert vision
    assert not any("embeddings" in name or ".0." in name for name in vision)
    assert all(group["lr"] == 1e-3 for group in trainer.create_optimizer().param_groups)


class Rates(TrainerCallback):
    def __init__(self) -> None:
        self.rates: list[list[float]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.rates.append(kwargs["lr_scheduler"].get_last_lr())


def test_linear_warm_up_over_5_percent_then_linear_decay(
    model: CLFAForClassification, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    rates = Rates()
    trainer = trainer_for(
        model,
        split,
        processor,
        tmp_path,
        num_train_epochs=10,  # 4 steps each: 40 steps, 2 of them warm-up
        encoder_learning_rate=1e-4,
        eval_strategy="no",
        save_strategy="no",
        load_best_model_at_end=False,
        callbacks=[rates],
    )
    trainer.train()
    head = trainer.optimizer.param_groups.index(
        next(group for group in trainer.optimizer.param_groups if group["initial_lr"] == 1e-3)
    )
    encoder = trainer.optimizer.param_groups.index(
        next(group for group in trainer.optimizer.param_groups if group["initial_lr"] == 1e-4)
    )
    after = [step[head] for step in rates.rates]  # the rate of the step that follows
    assert after[0] == pytest.approx(0.5e-3)
    assert after[1] == pytest.approx(1e-3)
    assert after[20] == pytest.approx(1e-3 * (40 - 21) / 38)
    assert after[38] == pytest.approx(1e-3 / 38)
    assert after[39] == 0.0
    assert rates.rates[20][encoder] == pytest.approx(1e-4 * (40 - 21) / 38)


def test_the_best_epoch_is_kept_whole(
    model: CLFAForClassification, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    """Encoders included: some are saved under other tensor names than their module's."""
    trainer = trainer_for(
        model,
        split,
        processor,
        tmp_path,
        num_train_epochs=3,
        save_total_limit=None,
        compute_metrics=Scripted(0.4, 0.6, 0.5),
    )
    trainer.train()
    assert trainer.state.best_metric == 0.6
    kept = model.state_dict()
    best = pretrained_model(CLFAForClassification, tmp_path / "checkpoint-8").state_dict()
    last = pretrained_model(CLFAForClassification, tmp_path / "checkpoint-12").state_dict()
    assert kept.keys() == best.keys()
    for name, tensor in kept.items():
        assert torch.equal(tensor, best[name]), name
    for part in ("text_encoder", "vision_encoder", "text_projection", "fusion"):
        changed = [name for name in kept if part in name and not torch.equal(kept[name], last[name])]
        assert changed, part


@pytest.mark.parametrize(("patience", "epochs"), [(2, 4), (0, 6)])
def test_early_stopping(
    model: CLFAForClassification,
    split: Dataset,
    processor: CLFAProcessor,
    tmp_path: Path,
    patience: int,
    epochs: int,
) -> None:
    trainer = trainer_for(
        model,
        split,
        processor,
        tmp_path,
        num_train_epochs=6,
        early_stopping_patience=patience,
        compute_metrics=Scripted(0.5, 0.6, 0.6, 0.55, 0.5, 0.4),
    )
    trainer.train()
    assert trainer.state.epoch == epochs
    assert trainer.state.best_metric == 0.6
    assert trainer.state.best_model_checkpoint.endswith("checkpoint-8")


def test_gradient_accumulation_equals_one_large_batch(
    tiny_bert_dir: Path, tiny_vit_dir: Path, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    weights = []
    for size, steps in ((8, 1), (4, 2)):
        torch.manual_seed(0)
        model = CLFAForClassification.from_encoders(
            tiny_bert_dir, tiny_vit_dir, ["bad", "good"], alpha=0.0, guide_dim=GUIDE_DIM, **HEAD
        )
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        for encoder in (model.clfa.text_encoder, model.clfa.vision_encoder):
            encoder.requires_grad_(False)
        trainer = trainer_for(
            model,
            split,
            processor,
            tmp_path / str(size),
            num_train_epochs=1,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=steps,
            load_best_model_at_end=False,
            eval_strategy="no",
            save_strategy="no",
        )
        set_seed(3)
        trainer.train()
        weights.append(model.classifier.weight.detach())
    torch.testing.assert_close(weights[0], weights[1], atol=1e-6, rtol=0)


def frozen_model(bert: Path, vit: Path) -> CLFAForClassification:
    torch.manual_seed(0)
    found: CLFAForClassification = CLFAForClassification.from_encoders(
        bert,
        vit,
        ["bad", "good"],
        guide_dim=GUIDE_DIM,
        freeze_text_encoder=True,
        freeze_vision_encoder=True,
        **HEAD,
    )
    return found


def test_checkpoints_leave_out_frozen_encoders(
    tiny_bert_dir: Path, tiny_vit_dir: Path, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    model = frozen_model(tiny_bert_dir, tiny_vit_dir)
    scores = Scripted(0.4, 0.6, 0.5)
    trainer = trainer_for(
        model, split, processor, tmp_path, num_train_epochs=3, save_total_limit=None, compute_metrics=scores
    )
    trainer.train()
    best = load_file(tmp_path / "checkpoint-8" / UNFROZEN_WEIGHTS_FILE)
    kept = model.state_dict()
    assert {name for name in kept if name not in best} == {name for name in kept if "_encoder." in name}
    for name, tensor in best.items():
        assert torch.equal(tensor, kept[name]), name
    assert not (tmp_path / "checkpoint-8" / "model.safetensors").exists()

    whole = load_file(tmp_path / "checkpoint-12" / UNFROZEN_WEIGHTS_FILE)
    resumed = frozen_model(tiny_bert_dir, tiny_vit_dir)
    again = trainer_for(
        resumed, split, processor, tmp_path, num_train_epochs=3, save_total_limit=None, compute_metrics=Scripted(0.5)
    )
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-8"))
    for name, tensor in load_file(tmp_path / "checkpoint-12" / UNFROZEN_WEIGHTS_FILE).items():
        torch.testing.assert_close(tensor, whole[name], msg=name)

    trainer.save_model(str(tmp_path / "whole"))
    assert pretrained_model(CLFAForClassification, tmp_path / "whole").state_dict().keys() == kept.keys()


def test_checkpoint_of_another_model_is_refused(
    tiny_bert_dir: Path, tiny_vit_dir: Path, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    trainer = trainer_for(frozen_model(tiny_bert_dir, tiny_vit_dir), split, processor, tmp_path)
    (tmp_path / "checkpoint-4").mkdir()
    save_file({"clfa.other": torch.zeros(1)}, tmp_path / "checkpoint-4" / UNFROZEN_WEIGHTS_FILE)
    with pytest.raises(ModelError, match="checkpoint-4 is a checkpoint of another model: tensor"):
        trainer._load_weights(str(tmp_path / "checkpoint-4"))


def test_bank_negatives_come_from_the_training_set(
    tiny_bert_dir: Path, tiny_vit_dir: Path, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    model = frozen_model(tiny_bert_dir, tiny_vit_dir)
    model.config.negatives = "bank"
    dataset = guided(split, processor)
    dataset.text_keys = [bytes([number // 2]) for number in range(15)] + [b""]
    trainer = CLFATrainer(
        model,
        CLFATrainingArguments(output_dir=str(tmp_path), report_to=[], use_cpu=True, num_train_epochs=1),
        train_dataset=dataset,
        eval_dataset=EncodedDataset(split, processor),
        processing_class=processor,
    )
    bank = model.guide_bank
    assert bank is not None
    assert dataset.guide_embeds is not None
    assert bank.groups["text"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, -1]
    assert bank.groups["image"].tolist() == list(range(16))
    norms = np.linalg.norm(dataset.guide_embeds[0], axis=1, keepdims=True)
    np.testing.assert_allclose(bank.embeds["text"], dataset.guide_embeds[0] / norms, rtol=1e-5)
    trainer.train()
    (log,) = [entry for entry in trainer.state.log_history if "loss" in entry]
    # Sixteen candidates instead of the batch's eight: the loss of a student that knows nothing is nearer to log 16.
    assert log["loss_image_alignment"] > np.log(8)
    assert "guide_bank" not in "".join(model.state_dict())


def test_batches_of_like_length_when_asked_for(
    model: CLFAForClassification, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    plain = trainer_for(model, split, processor, tmp_path)
    assert not isinstance(plain._get_train_sampler(), LengthGroupedSampler)
    grouped = trainer_for(model, split, processor, tmp_path, group_by_length=True)
    sampler = grouped._get_train_sampler()
    assert isinstance(sampler, LengthGroupedSampler)
    assert sampler.batch_size == 4
    assert sampler.lengths.tolist() == [len(ids) for ids in processor.token_ids(split["text"][:])]
    grouped.train()
    assert grouped.state.global_step == 8


def test_evaluation_goes_by_length_and_prediction_by_position(
    model: CLFAForClassification, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    trainer = trainer_for(model, split, processor, tmp_path)
    data = trainer.eval_dataset
    seen: list[list[int]] = []
    model.register_forward_pre_hook(
        lambda module, args, inputs: seen.append(inputs["attention_mask"].sum(1).tolist()), with_kwargs=True
    )
    metrics = trainer.evaluate()
    assert list(chain(*seen)) == sorted(data.lengths())
    seen.clear()
    predicted = trainer.predict(data)
    assert list(chain(*seen)) == data.lengths()
    assert predicted.metrics["test_accuracy"] == metrics["eval_accuracy"]
    assert predicted.metrics["test_loss"] == pytest.approx(metrics["eval_loss"], rel=1e-5)


@pytest.mark.skipif(not packed.packing_pays(), reason="no products in bfloat16 here")
@pytest.mark.parametrize("lower", [True, False])
def test_evaluation_in_bfloat16_packs_the_weights_of_its_moment(
    model: CLFAForClassification,
    split: Dataset,
    processor: CLFAProcessor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lower: bool,
) -> None:
    monkeypatch.setattr(packed, "_WORTHWHILE", 0)
    made: list[torch.Tensor] = []
    pack = packed.PackedWeights.__init__

    def counted(self: packed.PackedWeights, layer: nn.Linear) -> None:
        made.append(layer.weight)
        pack(self, layer)

    monkeypatch.setattr(packed.PackedWeights, "__init__", counted)
    trainer = trainer_for(model, split, processor, tmp_path, bf16=lower)
    before = trainer.evaluate()["eval_loss"]
    layers = sum(type(layer) is Linear for layer in model.modules())
    assert len(made) == (layers if lower else 0)
    with torch.no_grad():
        model.classifier.weight.neg_()
        model.classifier.bias.neg_()
    assert trainer.evaluate()["eval_loss"] != pytest.approx(before, abs=1e-3)
    assert all(layer.packed is None for layer in model.modules() if isinstance(layer, Linear))


@pytest.mark.skipif(memory._allocator() is None, reason="another allocator")
def test_training_and_evaluation_keep_their_memory(
    model: CLFAForClassification, split: Dataset, processor: CLFAProcessor, tmp_path: Path
) -> None:
    trainer = trainer_for(model, split, processor, tmp_path, max_steps=1)
    users: list[int] = []
    model.register_forward_pre_hook(lambda *_: users.append(memory._users))
    trainer.train()
    trainer.evaluate()
    assert min(users) == 1
    assert memory._users == 0


@pytest.mark.parametrize(("large", "lower"), [(True, True), (True, False), (False, True)])
def test_clipping_within_the_step_is_clipping(
    model: CLFAForClassification,
    split: Dataset,
    processor: CLFAProcessor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    large: bool,
    lower: bool,
) -> None:
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    calls: list[float] = []

    def counted(*arguments: Any) -> torch.Tensor:
        calls.append(0)
        return clip_within_step(*arguments)

    found = []
    for folds in (True, False):
        nn.Module.load_state_dict(model, start)
        monkeypatch.setattr(clipping, "clip_within_step", counted)
        monkeypatch.setattr(clipping, "folding_pays", lambda parameters: large)
        monkeypatch.setattr(clipping, "takes_scale", takes_scale if folds else lambda optimizer: False)
        set_seed(0)
        options = {
            "bf16": lower,
            "max_steps": 3,
            "max_grad_norm": 0.01,
            "logging_strategy": "steps",
            "logging_steps": 1,
            "optim": "adamw_torch_fused",
        }
        trainer = trainer_for(model, split, processor, tmp_path / str(folds), **options)
        trainer.train()
        norms = [entry["grad_norm"] for entry in trainer.state.log_history if "grad_norm" in entry]
        assert len(norms) == 3
        found.append((norms, torch.cat([tensor.flatten() for tensor in model.state_dict().values()])))
        assert getattr(trainer._plain_optimizer, "grad_scale", None) is None
    assert len(calls) == (3 if large else 0)
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-3)
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-5, rtol=1e-4)
