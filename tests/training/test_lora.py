"""LoRA: adapters are PEFT's own, whatever clfa.cpu replaces around them, and nothing of them is left in the model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModel, CLIPTextModel, CLIPVisionModel

from clfa.cpu import busy, linear, packed, unpadded
from clfa.cpu.encoder_attention import ATTENTION
from clfa.errors import ModelError, RecipeError
from clfa.fields.lora import LoraRecipe
from clfa.modeling import CLFAForClassification
from clfa.prediction.predict import predict_file
from clfa.recipe import Recipe, load_recipe
from clfa.runs.run_summary import summary_text
from clfa.runs.train import train
from clfa.training import CLFATrainer, CLFATrainingArguments
from clfa.training.lora import add_adapters
from clfa.training.trainer import UNFROZEN_WEIGHTS_FILE
from posts import read_jsonl

SIZES: dict[str, Any] = {
    "hidden_size": 8,
    "projection_hidden_size": 8,
    "intermediate_size": 8,
    "num_attention_heads": 2,
    "num_fusion_layers": 1,
}
SETTINGS = LoraRecipe(rank=3, alpha=12)
MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def model(tiny_bert_dir: Path, tiny_vit_dir: Path) -> CLFAForClassification:
    torch.manual_seed(0)
    return CLFAForClassification.from_encoders(tiny_bert_dir, tiny_vit_dir, ["bad", "good"], **SIZES)


def inputs_of(tower: str) -> dict[str, torch.Tensor]:
    if tower == "vision_encoder":
        return {"pixel_values": torch.randn(3, 3, 32, 32)}
    mask = torch.ones(3, 12, dtype=torch.long)
    # So much padding that it pays to leave it out.
    mask[1:, 4:] = 0
    return {"input_ids": torch.randint(5, 20, (3, 12)), "attention_mask": mask}


def weights(module: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return {name: one for name, one in module.named_parameters() if one.requires_grad}


@pytest.mark.parametrize("tower", ["text_encoder", "vision_encoder"])
@pytest.mark.parametrize("family", ["bert and vit", "clip"])
def test_outputs_and_gradients_are_those_of_peft(
    family: str,
    tower: str,
    tiny_bert_dir: Path,
    tiny_vit_dir: Path,
    tiny_clip_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Everything for large models on this kind of processor is in use.
    monkeypatch.setattr(linear, "_WORTHWHILE", 0)
    monkeypatch.setattr(packed, "_WORTHWHILE", 0)
    pays = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    monkeypatch.setattr(linear, "onednn_pays", lambda: pays)
    asked: list[bool] = []
    leaves = unpadded.leaving_padding_out_pays
    monkeypatch.setattr(unpadded, "leaving_padding_out_pays", lambda *a: asked.append(leaves(*a)) or asked[-1])
    is_text = tower == "text_encoder"
    if family == "clip":
        places = (tiny_clip_dir, tiny_clip_dir)
        plain: Any = (CLIPTextModel if is_text else CLIPVisionModel).from_pretrained(tiny_clip_dir)
        names = ["q_proj", "v_proj"]
    else:
        places = (tiny_bert_dir, tiny_vit_dir)
        plain = AutoModel.from_pretrained(places[0] if is_text else places[1], add_pooling_layer=False)
        names = ["query", "value"] if is_text else ["q_proj", "v_proj"]
    model = CLFAForClassification.from_encoders(*places, ["bad", "good"], **SIZES)
    add_adapters(model, SETTINGS)
    encoder = getattr(model.clfa, tower)
    assert encoder.config._attn_implementation == ATTENTION
    config = LoraConfig(r=3, lora_alpha=12, lora_dropout=0.0, target_modules=names)
    expected = get_peft_model(plain, config).train()
    encoder.train()
    own, theirs = weights(encoder), weights(expected)
    assert len(own) == len(theirs) == 8
    torch.manual_seed(1)
    with torch.no_grad():
        for (name, one), (other_name, other) in zip(own.items(), theirs.items(), strict=True):
            assert other_name.endswith(name)
            other.copy_(one.normal_(std=0.2))
    for module in (encoder, expected):
        for part in module.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
    inputs = inputs_of(tower)
    present = inputs.get("attention_mask", torch.ones(3, 5))[..., None].bool()
    probe = torch.randn(1, 1, encoder.config.hidden_size)

    def outcome(module: Any, amount: float) -> torch.Tensor:
        found = torch.where(present, module(**inputs).last_hidden_state, 0)
        (found * probe).sum().mul(amount).backward()
        return found.detach()

    torch.testing.assert_close(outcome(encoder, 1.0), outcome(expected, 1.0), atol=1e-5, rtol=1e-5)
    for (name, one), other in zip(own.items(), theirs.values(), strict=True):
        assert one.grad is not None, name
        assert one.grad.abs().max() > 1e-4, name
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-4, msg=name)
    assert all(part.grad is None for part in encoder.parameters() if not part.requires_grad)
    if family != "clip" and is_text:
        assert asked == [True]
    # In bfloat16, with weights that are packed, and with the adapters merged.
    encoder.eval()
    expected.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), busy(model):
        found = torch.where(present, encoder(**inputs).last_hidden_state, 0)
        reference = torch.where(present, expected(**inputs).last_hidden_state, 0)
    torch.testing.assert_close(found.float(), reference.float(), atol=0.1, rtol=0.1)


def test_merging(model: CLFAForClassification) -> None:
    model.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    inputs = {**inputs_of("text_encoder"), **inputs_of("vision_encoder")}
    trained = set(weights(model))
    with torch.no_grad():
        plain = model(**inputs).logits
        adapters = add_adapters(model, SETTINGS)
        # New adapters change nothing.
        torch.testing.assert_close(model(**inputs).logits, plain)
        for name, one in model.named_parameters():
            if "lora_B" in name:
                one.normal_()
        changed = model(**inputs).logits
        adapters.merge()
        assert (changed - plain).abs().max() > 1e-3
        torch.testing.assert_close(model(**inputs).logits, changed, atol=1e-5, rtol=1e-5)
    after = model.state_dict()
    assert list(after) == list(before)
    assert set(weights(model)) == trained
    different = {name for name in after if not torch.equal(after[name], before[name])}
    assert {name.rpartition(".")[0].rpartition(".")[2] for name in different} == {"query", "value", "q_proj", "v_proj"}
    assert len(different) == 8
    for name in different:
        assert torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-3) == 3, name
    adapters.merge()


def test_layers_without_an_effect_are_named(model: CLFAForClassification, caplog: pytest.LogCaptureFixture) -> None:
    model.clfa.text_encoder.unheard = torch.nn.Linear(16, 16)
    adapters = add_adapters(model, LoraRecipe(target_modules=["query", "q_proj", "unheard"]))
    for name, one in model.named_parameters():
        if "lora_B" in name and "unheard" not in name:
            one.data.normal_()
    adapters.merge()
    assert "LoRA had no effect on 1 of the layers that it adapts" in caplog.text
    assert "for instance text_encoder.unheard." in caplog.text
    caplog.clear()
    adapters.merge()
    assert caplog.text == ""


def test_which_layers_are_adapted(model: CLFAForClassification) -> None:
    adapters = add_adapters(model, LoraRecipe(target_modules=["output.dense", "fc1"]))
    assert adapters.figures["lora"]["layers"] == {"text_encoder": 4, "vision_encoder": 2}
    adapters.merge()
    everything = add_adapters(model, LoraRecipe(target_modules="all-linear", rank=1))
    assert everything.figures["lora"]["layers"] == {"text_encoder": 12, "vision_encoder": 12}
    everything.merge()
    model.clfa.vision_encoder.requires_grad_(False)
    assert add_adapters(model, SETTINGS).figures["lora"]["layers"] == {"text_encoder": 4}


def test_layers_that_do_not_exist(model: CLFAForClassification, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        RecipeError, match=r"no trained encoder has a linear layer 'querry'\. Did you mean 'query'\?.*There"
    ):
        add_adapters(model, LoraRecipe(target_modules=["querry"]))
    with pytest.raises(
        RecipeError, match=r"the vision encoder \(ViTModel\) has no linear layers those of training.lora"
    ):
        add_adapters(model, LoraRecipe(target_modules=["query"]))
    model.clfa.requires_grad_(False)
    with pytest.raises(RecipeError, match="all encoders of this model are frozen"):
        add_adapters(model, SETTINGS)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(RecipeError, match=r"training\.lora needs PEFT; pip install 'clfa\[lora\]'"):
        add_adapters(model, SETTINGS)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["model.freeze_text_encoder=true", "model.freeze_vision_encoder=true"], "all of them are frozen: set"),
        (["model.freeze_text_encoder=1"], "model.freeze_text_encoder=1 has no meaning; set it to false"),
        (["training.lora.rank=0"], r"training.lora.rank: .*greater than or equal to 1 \(got 0\)"),
        (["training.lora.rnak=4"], "unknown key 'training.lora.rnak'.*Did you mean 'rank'"),
        (["training.lora.target_modules=[]"], "training.lora.target_modules: .*at least 1 item"),
        (["training.lora=5"], "training.lora: a section is needed"),
    ],
)
def test_recipes_that_are_refused(overrides: list[str], problem: str) -> None:
    with pytest.raises(RecipeError, match=problem):
        load_recipe("paper-mmsd", ["training.lora={}", *overrides])


def test_the_switch() -> None:
    assert load_recipe("paper-mmsd", ["training.lora=true"]).training.lora == LoraRecipe()
    assert load_recipe("paper-mmsd", ["training.lora=false"]).training.lora is None
    assert load_recipe("paper-mmsd", ["training.lora.target_modules=query"]).training.lora.target_modules == ["query"]


LORA = [
    "model.freeze_text_encoder=false",
    "model.freeze_vision_encoder=false",
    "training.lora={rank: 2, dropout: 0.1}",
    "training.yardsticks=false",
]


class _KilledError(Exception):
    pass


@pytest.mark.slow
def test_a_run_and_its_resumption(
    tiny_overrides: list[str], posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe("offline", [*tiny_overrides, *LORA, f"data.dir={posts_csv}"])
    whole = train(recipe, tmp_path / "whole")
    training = whole.metrics["training"]
    # Queries and values in two layers of either encoder, of 16 and 24 numbers; A and B of rank 2.
    added = 4 * (2 * 16 + 16 * 2) + 4 * (2 * 24 + 24 * 2)
    assert training["lora"] == {
        "rank": 2,
        "alpha": 16.0,
        "layers": {"text_encoder": 4, "vision_encoder": 4},
        "parameters": added,
    }
    model = CLFAForClassification.from_pretrained(tmp_path / "whole" / "model")
    head = sum(part.numel() for name, part in model.named_parameters() if "_encoder." not in name)
    assert training["trained_parameters"] == head + added
    assert training["parameters"] == sum(part.numel() for part in model.parameters())
    shown = f"LoRA of rank 2 in 8 layers: trained {head + added:,} parameters; the model has "
    assert shown in summary_text(whole.metrics, "x")

    # Checkpoints have the adapters in place of the encoders' own weights.
    compute_loss = CLFATrainer.compute_loss

    def killed(self: CLFATrainer, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == 6:
            raise _KilledError
        return compute_loss(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(CLFATrainer, "compute_loss", killed)
        with pytest.raises(_KilledError):
            train(recipe, tmp_path / "killed")
    (checkpoint,) = (tmp_path / "killed" / "checkpoints").glob(f"*/{UNFROZEN_WEIGHTS_FILE}")
    kept = [name for name in load_file(checkpoint) if "_encoder." in name]
    assert len(kept) == 16
    assert all("lora_" in name for name in kept)
    resumed = train(recipe, tmp_path / "killed", resume=True)
    assert resumed.metrics["validation"] == whole.metrics["validation"]
    assert resumed.metrics["training"] == training
    expected, found = (load_file(tmp_path / run / "model" / "model.safetensors") for run in ("whole", "killed"))
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-6, rtol=0, msg=name)

    # The model is the one that was evaluated, and needs no PEFT.
    monkeypatch.setitem(sys.modules, "peft", None)
    predict_file(str(tmp_path / "whole"), posts_csv, tmp_path / "out.jsonl")
    answers = {row["id"]: row for row in read_jsonl(tmp_path / "out.jsonl")}
    scored = read_jsonl(tmp_path / "whole" / "predictions-validation.jsonl")
    assert len(scored) == 16
    for row in scored:
        assert answers[row["id"]]["probabilities"] == pytest.approx(row["probabilities"], abs=1e-4)


def test_a_checkpoint_of_other_adapters_is_refused(
    model: CLFAForClassification, tmp_path: Path, tiny_bert_dir: Path, tiny_vit_dir: Path
) -> None:
    add_adapters(model, SETTINGS)
    never: dict[str, Any] = {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}
    arguments = CLFATrainingArguments(output_dir=str(tmp_path), report_to=[], use_cpu=True, **never)
    trainer = CLFATrainer(model, arguments)
    trainer._in_checkpoint = True
    trainer._save(str(tmp_path))
    other = CLFAForClassification.from_encoders(tiny_bert_dir, tiny_vit_dir, ["bad", "good"], **SIZES)
    add_adapters(other, LoraRecipe(target_modules=["key", "k_proj"]))
    trainer.model = other
    with pytest.raises(ModelError, match=r"is a checkpoint of another model: tensor 'clfa.text_encoder.*key.*lora_A"):
        trainer._load_weights(str(tmp_path))
