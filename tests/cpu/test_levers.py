from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertModel, PreTrainedModel, ResNetConfig, ResNetModel, ViTModel

from clfa.cpu import busy, levers, memory, speed_up
from clfa.cpu.dropout import Dropout
from clfa.cpu.encoder_attention import ATTENTION
from clfa.cpu.linear import Linear
from clfa.cpu.patch_conv import PatchConv2d
from clfa.guides.clip import CLIPGuide
from clfa.modeling import CLFAForClassification
from clfa.modeling.attention import AttentionSubLayer
from clfa.modeling.encoders import load_encoder
from clfa.modeling.frozen_encoder import FrozenEncoder
from clfa.processing.processor import CLFAProcessor
from clfa.recipe import load_recipe
from clfa.runs.train import train
from warm import Program

HEAD: dict[str, Any] = {
    "hidden_size": 8,
    "projection_hidden_size": 8,
    "intermediate_size": 8,
    "num_attention_heads": 2,
    "num_fusion_layers": 1,
}
BATCH = {
    "input_ids": torch.randint(5, 20, (3, 6), generator=torch.Generator().manual_seed(0)),
    "attention_mask": torch.tensor([[1] * 6, [1, 1, 0, 0, 0, 0], [1] * 3 + [0] * 3]),
    "pixel_values": torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1)),
    "labels": torch.tensor([0, 1, 1]),
}


def exchanged(module: nn.Module) -> set[str]:
    """What of a module is this package's."""
    found = {type(part).__name__ for part in module.modules() if type(part).__module__.startswith("clfa.cpu.")}
    found |= {"attend" for part in module.modules() if "attend" in vars(part)}
    for part in module.modules():
        if isinstance(part, PreTrainedModel):
            found |= {vars(part)["forward"].func.__name__} if "forward" in vars(part) else set()
            found |= {part.config._attn_implementation} & {ATTENTION}
    return found


LAYERS = {"Linear", "Dropout"}
EVERYTHING = {*LAYERS, "PatchConv2d", "attend", ATTENTION, "forward_without_padding"}


@pytest.fixture
def encoders(tiny_bert_dir: Path, tiny_vit_dir: Path) -> tuple[PreTrainedModel, PreTrainedModel]:
    """As a caller loads them."""
    return BertModel.from_pretrained(tiny_bert_dir), ViTModel.from_pretrained(tiny_vit_dir)


# What is exchanged.


def test_plain_layers_are_exchanged_and_others_left_alone() -> None:
    class Other(nn.Linear):
        pass

    module = nn.ModuleDict({"linear": nn.Linear(2, 3), "inner": nn.Sequential(nn.Dropout(0.3), nn.Conv2d(3, 3, 2))})
    module["other"] = Other(3, 3)
    module["attention"] = AttentionSubLayer(4, 2)
    weights = {name: tensor.data_ptr() for name, tensor in module.state_dict().items()}
    for _ in range(2):
        assert speed_up(module) is module
        assert [type(part) for part in (module["linear"], *module["inner"])] == [Linear, Dropout, PatchConv2d]
        assert type(module["other"]) is Other
        assert module["attention"].attend is not F.scaled_dot_product_attention
        assert type(module["attention"].query) is Linear
    assert {name: tensor.data_ptr() for name, tensor in module.state_dict().items()} == weights


def test_what_is_spared_stays_with_all_that_is_below_it() -> None:
    module = nn.ModuleDict({"mine": nn.Sequential(nn.Linear(1, 1)), "ours": nn.Sequential(nn.Linear(1, 1))})
    speed_up(module, spared=[module["mine"]])
    assert (type(module["mine"][0]), type(module["ours"][0])) == (nn.Linear, Linear)


def test_layers_only(encoders: tuple[PreTrainedModel, PreTrainedModel]) -> None:
    text, vision = encoders
    convolutional = ResNetModel(ResNetConfig(embedding_size=4, hidden_sizes=[4], depths=[1]))
    for encoder in (text, vision, convolutional):
        speed_up(encoder, layers_only=True)
    assert exchanged(text) == LAYERS
    assert exchanged(vision) == {*LAYERS, "PatchConv2d"}
    assert exchanged(convolutional) == {"PatchConv2d"}
    for encoder in (text, vision, convolutional):
        speed_up(encoder)
    assert exchanged(text) == {*LAYERS, ATTENTION, "forward_without_padding"}
    assert exchanged(vision) == {*LAYERS, "PatchConv2d", ATTENTION}
    assert exchanged(convolutional) >= {"PatchConv2d", "forward_in_parts"}


def test_nothing_when_switched_off(
    encoders: tuple[PreTrainedModel, PreTrainedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(levers, "enabled", lambda: False)
    for encoder in encoders:
        assert speed_up(encoder) is encoder
        assert exchanged(encoder) == set()


# Who calls it: this package for what it loads, and nobody for what a caller loaded.


def test_models_that_are_loaded_by_name_are_sped_up(tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path: Path) -> None:
    model = CLFAForClassification.from_encoders(tiny_bert_dir, tiny_vit_dir, ["a", "b"], **HEAD)
    assert exchanged(model) == EVERYTHING
    model.save_pretrained(tmp_path)
    assert exchanged(CLFAForClassification.from_pretrained(tmp_path)) == EVERYTHING
    assert exchanged(CLFAForClassification.from_pretrained(tmp_path, output_loading_info=True)[0]) == EVERYTHING


def test_encoders_that_a_caller_loaded_stay_as_they_are(
    encoders: tuple[PreTrainedModel, PreTrainedModel], tiny_vit_dir: Path
) -> None:
    text, vision = encoders
    model = CLFAForClassification.from_encoders(text, vision, ["a", "b"], **HEAD)
    assert model.clfa.text_encoder is text
    assert exchanged(text) == exchanged(vision) == set()
    assert exchanged(model) == {*LAYERS, "attend"}
    mixed = CLFAForClassification.from_encoders(text, tiny_vit_dir, ["a", "b"], **HEAD)
    assert exchanged(text) == set()
    assert exchanged(mixed.clfa.vision_encoder) == {*LAYERS, "PatchConv2d", ATTENTION}
    assert exchanged(CLFAForClassification(model.config, text, vision)) == set()
    assert exchanged(speed_up(model)) == EVERYTHING


def test_frozen_encoders(
    encoders: tuple[PreTrainedModel, PreTrainedModel], tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path: Path
) -> None:
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir)
    text, vision = encoders
    for modality, encoder in (("text", text), ("image", vision)):
        FrozenEncoder(modality, encoder, processor, tmp_path)
        assert exchanged(encoder) == set()
    assert exchanged(load_encoder(tiny_bert_dir, "text")) == LAYERS
    assert exchanged(load_encoder(tiny_vit_dir, "vision")) == {*LAYERS, "PatchConv2d"}


def test_guides(tiny_clip_dir: Path) -> None:
    assert exchanged(CLIPGuide(tiny_clip_dir).model) == {"Linear", "PatchConv2d"}


# What it computes.


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"fusion": "cross_attention"},
        {"fusion": "co_attention"},
        {"fusion": "late"},
        {"baseline": "res_bert"},
        {"allow_missing_modalities": True},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_results_and_gradients_are_those_of_the_plain_model(
    encoders: tuple[PreTrainedModel, PreTrainedModel], options: dict[str, Any], lower: bool
) -> None:
    torch.manual_seed(0)
    built = CLFAForClassification.from_encoders(*encoders, ["a", "b"], **HEAD, **options)
    model = CLFAForClassification(built.config, *encoders).eval()
    assert exchanged(model) == set()
    found = []
    for fast in (False, True):
        if fast:
            speed_up(model)
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=lower):
            output = model(**BATCH)
        output.loss.backward()
        gradients = [parameter.grad.norm() for parameter in model.parameters() if parameter.grad is not None]
        found.append((output.logits.detach().float(), torch.stack(gradients)))
    tolerance = {"atol": 0.05, "rtol": 0.15} if lower else {"atol": 1e-5, "rtol": 1e-4}
    for plain, fast in zip(*found, strict=True):
        torch.testing.assert_close(fast, plain, **tolerance)


# The switch, in a process of its own as it is read once.


def use(run: str, output: str, *recipe: str) -> None:
    """Load a model, train another, and print what of them is this package's and what they compute."""
    torch.set_num_threads(1)
    model = CLFAForClassification.from_pretrained(run).eval()
    with torch.no_grad(), busy(model):
        users, logits = memory._users, model(**BATCH).logits.tolist()
    metrics = train(load_recipe("offline", recipe), f"{output}/run", cache=Path(output, "cache")).metrics
    trained = CLFAForClassification.from_pretrained(f"{output}/run/model")
    print(json.dumps([sorted(exchanged(model) | exchanged(trained)), users, logits, metrics["training"]["epochs_run"]]))


def test_switched_off_all_is_plain_and_agrees(
    tiny_run: Path, tiny_overrides: list[str], posts_csv: Path, tmp_path: Path
) -> None:
    recipe = [*tiny_overrides, f"data.dir={posts_csv}", "training.precision=bf16", "model.freeze_text_encoder=false"]
    found = []
    for value in ("0", "1"):
        arguments = [str(tiny_run / "model"), str(tmp_path / value), *recipe]
        program = Program(use, arguments, tmp_path, {"CLFA_CPU_SPEEDUPS": value})
        assert program.wait() == 0, program.stderr
        found.append(json.loads(program.stdout.splitlines()[-1]))
    (none, idle, plain, epochs), (everything, _, fast, _) = found
    assert (none, idle, epochs) == ([], 0, 2.0)
    assert set(everything) == EVERYTHING
    torch.testing.assert_close(torch.tensor(fast), torch.tensor(plain), atol=1e-5, rtol=1e-4)
    assert fast != plain
