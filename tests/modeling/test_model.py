from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModel, BertConfig, BertModel, ViTConfig, ViTModel

from clfa.cpu import speed_up
from clfa.errors import ModelError, RecipeError
from clfa.modeling import CLFAConfig, CLFAForClassification, CLFAModel, GuidedContrastiveLoss

BERT = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24)
VIT = ViTConfig(
    image_size=32, patch_size=16, hidden_size=20, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24
)
HEAD: dict[str, Any] = {
    "hidden_size": 12,
    "projection_hidden_size": 18,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "num_fusion_layers": 2,
}

BUILD = {"sped_up": False}


@pytest.fixture(autouse=True, params=[False, True], ids=["plain", "sped up"])
def sped_up(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test of a model holds for the plain one and for the one with everything exchanged."""
    monkeypatch.setitem(BUILD, "sped_up", request.param)


def build(text: bool = True, image: bool = True, **fields: Any) -> CLFAForClassification:
    torch.manual_seed(0)
    encoders = {"text_config": BERT.to_dict() if text else None, "vision_config": VIT.to_dict() if image else None}
    model = CLFAForClassification(CLFAConfig(**encoders, **(HEAD | {"num_labels": 3} | fields))).eval()
    return speed_up(model) if BUILD["sped_up"] else model


def make_batch(guide: int | None = None, knowledge: bool = False, labels: bool = True) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    batch = {
        "input_ids": torch.randint(1, 50, (4, 6)),
        "attention_mask": torch.tensor([[1] * n + [0] * (6 - n) for n in (6, 3, 5, 1)]),
        "pixel_values": torch.randn(4, 3, 32, 32),
    }
    if labels:
        batch["labels"] = torch.tensor([0, 2, 1, 1])
    if guide:
        batch |= {"guide_text_embeds": torch.randn(4, guide), "guide_image_embeds": torch.randn(4, guide)}
    if knowledge:
        batch["knowledge_input_ids"] = torch.randint(1, 50, (4, 3))
        batch["knowledge_attention_mask"] = torch.tensor([[1, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0]])
    return batch


def without(batch: dict[str, torch.Tensor], *names: str) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in batch.items() if name not in names}


# Losses.


def test_total_loss_and_its_parts() -> None:
    model = build(alpha=0.3, beta=0.7, temperature=0.2)
    batch = make_batch(guide=12)
    output = model(**batch)
    contrast = GuidedContrastiveLoss(0.2)
    torch.testing.assert_close(output.loss_classification, F.cross_entropy(output.logits, batch["labels"]))
    for name in ("text", "image"):
        expected = contrast(output[f"{name}_embeds"], batch[f"guide_{name}_embeds"])
        torch.testing.assert_close(output[f"loss_{name}_alignment"], expected)
    alignment = output.loss_text_alignment + output.loss_image_alignment
    torch.testing.assert_close(output.loss, 0.3 * alignment + 0.7 * output.loss_classification)


def test_students_are_masked_means_of_the_projected_tokens() -> None:
    model = build()
    batch = make_batch(labels=False)
    output = model(**batch)
    tokens = model.clfa.text_projection(
        model.clfa.text_encoder(batch["input_ids"], batch["attention_mask"]).last_hidden_state
    )
    expected = torch.stack(
        [row[: int(n)].mean(0) for row, n in zip(tokens, batch["attention_mask"].sum(1), strict=True)]
    )
    torch.testing.assert_close(output.text_embeds, expected)
    pixels = model.clfa.image_projection(model.clfa.vision_encoder(batch["pixel_values"]).last_hidden_state)
    torch.testing.assert_close(output.image_embeds, pixels.mean(1))


def test_alpha_0_ignores_the_guides() -> None:
    model = build(alpha=0.0)
    with_guides, without_guides = model(**make_batch(guide=12)), model(**make_batch())
    assert torch.equal(with_guides.loss, without_guides.loss)
    # Still reported, so that the ablation shows how far apart the spaces are.
    assert with_guides.loss_text_alignment > 0
    assert without_guides.loss_text_alignment is None
    with_guides.loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    # Guides gone wrong do no harm, either.
    spoiled = make_batch() | {
        name: torch.full((4, 12), torch.nan) for name in ("guide_text_embeds", "guide_image_embeds")
    }
    assert torch.equal(model(**spoiled).loss, without_guides.loss)


def test_beta_0_leaves_the_alignment() -> None:
    output = build(beta=0.0)(**make_batch(guide=12))
    torch.testing.assert_close(output.loss, output.loss_text_alignment + output.loss_image_alignment)


@pytest.mark.parametrize(("given", "absent"), [("text", "image"), ("image", "text")])
def test_one_guide_alone(given: str, absent: str) -> None:
    output = build()(**without(make_batch(guide=12), f"guide_{absent}_embeds"))
    assert output[f"loss_{given}_alignment"] > 0
    assert getattr(output, f"loss_{absent}_alignment") is None
    torch.testing.assert_close(output.loss, output[f"loss_{given}_alignment"] + output.loss_classification)


def test_without_labels_there_is_no_loss() -> None:
    output = build()(**make_batch(labels=False))
    assert output.loss is None
    assert output.loss_classification is None
    assert output.logits.shape == (4, 3)


def test_label_smoothing_in_training_only() -> None:
    model = build(label_smoothing=0.3)
    batch = make_batch()
    output = model.eval()(**batch)
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits, batch["labels"]))
    output = model.train()(**batch)
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits, batch["labels"], label_smoothing=0.3))


def test_a_schedule_can_weigh_the_alignment_anew() -> None:
    model = build(alpha=1.0, beta=2.0)
    parts = {"text": torch.tensor(3.0), "image": torch.tensor(4.0)}
    assert model.total_loss(torch.tensor(1.0), parts, alpha=0.5).item() == 5.5
    assert model.total_loss(torch.tensor(1.0), parts, alpha=0.0).item() == 2.0
    assert model.total_loss(torch.tensor(1.0), {}, alpha=1.0).item() == 2.0


def test_guides_of_another_width_get_their_own_heads() -> None:
    model = build(guide_dim=5)
    assert {name: tuple(head.weight.shape) for name, head in model.alignment.items()} == {
        "text": (5, 12),
        "image": (5, 12),
    }
    output = model(**make_batch(guide=5))
    assert output.text_embeds.shape == output.image_embeds.shape == (4, 5)
    inner = model.clfa(**without(make_batch(), "labels"))
    torch.testing.assert_close(output.text_embeds, inner.text_embeds @ model.alignment["text"].weight.T)
    assert set(build(image=False, guide_dim=5).alignment) == {"text"}


@pytest.mark.parametrize("guide_dim", [None, 12])
def test_guides_of_the_same_width_are_compared_directly(guide_dim: int | None) -> None:
    assert len(build(guide_dim=guide_dim).alignment) == 0


def test_guides_of_a_width_that_was_not_configured() -> None:
    with pytest.raises(ValueError, match="set guide_dim in the model's configuration"):
        build()(**make_batch(guide=5))


# Modalities and inputs.


@pytest.mark.parametrize("modality", ["text", "image"])
def test_one_modality(modality: str) -> None:
    model = build(text=modality == "text", image=modality == "image")
    output = model(**make_batch(guide=12))
    other = "image" if modality == "text" else "text"
    assert output.logits.shape == (4, 3)
    assert output[f"{modality}_embeds"].shape == (4, 12)
    assert getattr(output, f"{other}_embeds") is None
    assert getattr(output, f"loss_{other}_alignment") is None
    # The other modality is not read.
    names = ("pixel_values",) if modality == "text" else ("input_ids", "attention_mask")
    assert torch.equal(model(**without(make_batch(), *names)).logits, output.logits)
    hidden = model.clfa(**without(make_batch(), "labels")).last_hidden_state
    assert hidden.shape == (4, 6 if modality == "text" else 5, 12)


@pytest.mark.parametrize(
    ("absent", "message"),
    [("input_ids", "reads text: pass input_ids"), ("pixel_values", "reads images: pass pixel_values")],
)
def test_an_absent_modality_is_named(absent: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()(**without(make_batch(), absent))


def test_features_give_the_same_logits_as_ids_and_pixels() -> None:
    model = build()
    batch = make_batch(guide=12)
    features = {
        "text_features": model.clfa.text_encoder(batch["input_ids"], batch["attention_mask"]).last_hidden_state,
        "image_features": model.clfa.vision_encoder(batch["pixel_values"]).last_hidden_state,
    }
    expected, output = model(**batch), model(**without(batch, "input_ids", "pixel_values"), **features)
    for name in ("logits", "loss", "text_embeds", "image_embeds"):
        torch.testing.assert_close(output[name], expected[name])


def test_padding_changes_nothing() -> None:
    model = build(use_knowledge=True)
    batch = make_batch(knowledge=True)
    padded = dict(batch)
    for name in ("", "knowledge_"):
        ids, mask = batch[f"{name}input_ids"], batch[f"{name}attention_mask"]
        padded[f"{name}input_ids"] = torch.cat([ids, torch.full((4, 5), 7)], dim=1)
        padded[f"{name}attention_mask"] = torch.cat([mask, torch.zeros(4, 5, dtype=mask.dtype)], dim=1)
    torch.testing.assert_close(model(**padded).logits, model(**batch).logits, rtol=0, atol=1e-5)


def test_a_sample_does_not_depend_on_its_batch() -> None:
    model = build(use_knowledge=True)
    batch = make_batch(knowledge=True, labels=False)
    logits = model(**batch).logits
    for row in range(4):
        alone = model(**{name: tensor[row : row + 1] for name, tensor in batch.items()}).logits
        torch.testing.assert_close(alone[0], logits[row], rtol=0, atol=1e-5)


def test_features_of_knowledge_stand_in_for_its_ids() -> None:
    model = build(use_knowledge=True)
    batch = make_batch(knowledge=True)
    encoder = model.clfa.text_encoder
    ids, mask = batch.pop("knowledge_input_ids"), batch["knowledge_attention_mask"]
    features = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    expected = model(**batch, knowledge_input_ids=ids).logits
    torch.testing.assert_close(model(**batch, knowledge_features=features).logits, expected)


def test_knowledge() -> None:
    model = build(use_knowledge=True)
    plain, enriched = model(**make_batch()).logits, model(**make_batch(knowledge=True)).logits
    changed = (plain - enriched).abs().amax(1) > 1e-5
    assert changed.tolist() == [True, False, True, True]
    # A model without the stream does not read it.
    assert torch.equal(build()(**make_batch(knowledge=True)).logits, build()(**make_batch()).logits)


def test_masked_image_tokens_are_as_if_removed() -> None:
    model = build()
    batch = make_batch()
    features = model.clfa.vision_encoder(batch.pop("pixel_values")).last_hidden_state
    mask = torch.tensor([[1, 1, 0, 1, 0]]).expand(4, 5)
    masked = model(**batch, image_features=features, image_attention_mask=mask)
    removed = model(**batch, image_features=features[:, [0, 1, 3]])
    torch.testing.assert_close(masked.logits, removed.logits)
    torch.testing.assert_close(masked.image_embeds, removed.image_embeds)


def test_half_precision_with_graphs() -> None:
    model = build(use_knowledge=True).to(torch.bfloat16)
    batch = make_batch(knowledge=True)
    batch["pixel_values"] = batch["pixel_values"].bfloat16()
    output = model(**batch, text_bias=torch.rand(4, 6, 6), knowledge_bias=torch.rand(4, 6, 3))
    assert output.logits.dtype == torch.bfloat16
    assert output.loss.dtype == torch.float32
    assert torch.isfinite(output.loss)


# Gradients and freezing.


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_gradients_reach_everything_that_is_trained(pooling: str) -> None:
    model = build(use_knowledge=True, guide_dim=5, pooling=pooling).train()
    model(**make_batch(guide=5, knowledge=True)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # A constant added to every key moves no softmax.
        assert parameter.grad.abs().sum() > 0 or name.endswith("key.bias"), name


def test_frozen_encoders_stay_in_evaluation_mode() -> None:
    model = build(freeze_text_encoder=True, freeze_vision_encoder=1)
    model.train()
    assert not model.clfa.text_encoder.training
    assert not any(module.training for module in model.clfa.text_encoder.modules())
    assert model.clfa.vision_encoder.training
    assert model.clfa.fusion.training
    model.eval()
    assert not any(module.training for module in model.modules())


def test_frozen_encoders_get_no_gradient() -> None:
    model = build(freeze_text_encoder=True, freeze_vision_encoder=1).train()
    model(**make_batch(guide=12)).loss.backward()
    for name, parameter in model.named_parameters():
        trained = not name.startswith(("clfa.text_encoder.", "clfa.vision_encoder.embeddings.")) and (
            ".vision_encoder.layers.0." not in name
        )
        assert parameter.requires_grad is trained, name
        assert (parameter.grad is not None) is trained, name


def test_a_frozen_encoder_builds_no_graph() -> None:
    model = build(freeze_text_encoder=True, freeze_vision_encoder=True).train()
    seen = []
    model.clfa.text_encoder.register_forward_hook(lambda *args: seen.append(args[2].last_hidden_state.requires_grad))
    model(**make_batch())
    assert seen == [False]


# Building, saving and loading.


def test_from_encoders_keeps_weights_and_class_names(tiny_bert_dir: Path, tiny_vit_dir: Path) -> None:
    model = CLFAForClassification.from_encoders(tiny_bert_dir, str(tiny_vit_dir), ["calm", "sarcastic"], **HEAD)
    assert model.config.id2label == {0: "calm", 1: "sarcastic"}
    assert model.config.label2id == {"calm": 0, "sarcastic": 1}
    assert model.classifier.out_features == 2
    bert, vit = BertModel.from_pretrained(tiny_bert_dir), ViTModel.from_pretrained(tiny_vit_dir)
    weights = model.clfa.text_encoder.state_dict()
    assert all(torch.equal(tensor, bert.state_dict()[name]) for name, tensor in weights.items())
    assert torch.equal(model.clfa.vision_encoder.embeddings.cls_token, vit.embeddings.cls_token)
    assert model.config.text_config.hidden_size == 16


def test_from_encoders_trains_what_is_not_frozen(tiny_bert_dir: Path, tiny_vit_dir: Path) -> None:
    model = CLFAForClassification.from_encoders(tiny_bert_dir, tiny_vit_dir, freeze_vision_encoder=True, **HEAD)
    assert model.training
    assert model.clfa.text_encoder.training
    assert not model.clfa.vision_encoder.training


def test_from_encoders_takes_loaded_encoders_as_they_are() -> None:
    torch.manual_seed(3)
    bert = BertModel(BERT, add_pooling_layer=False)
    before = {name: tensor.clone() for name, tensor in bert.state_dict().items()}
    model = CLFAForClassification.from_encoders(bert, None, ["a", "b"], **HEAD)
    assert model.clfa.text_encoder is bert
    assert all(torch.equal(tensor, before[name]) for name, tensor in bert.state_dict().items())


def test_from_encoders_without_any() -> None:
    with pytest.raises(ModelError, match="needs a text encoder, a vision encoder, or both"):
        CLFAForClassification.from_encoders(None, None)


def test_class_names_of_the_encoder_are_not_those_of_the_model() -> None:
    vit = ViTModel(ViTConfig(**(VIT.to_dict() | {"id2label": {i: f"thing {i}" for i in range(7)}})))
    model = CLFAForClassification.from_encoders(None, vit, ["a", "b"], **HEAD)
    assert model.config.num_labels == 2
    assert "thing 3" not in model.config.to_json_string()


def test_an_unknown_fusion_is_refused() -> None:
    with pytest.raises(RecipeError, match="unknown fusion 'glue'"):
        build(fusion="glue")


@pytest.mark.parametrize(
    "fields",
    [{}, {"use_knowledge": True, "guide_dim": 5, "pooling": "cls", "projection_layer_norm": True}, {"text": False}],
    ids=["plain", "everything", "image only"],
)
def test_saving_and_loading_gives_identical_logits(tmp_path: Path, fields: dict[str, Any]) -> None:
    model = build(**fields)
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    loaded = CLFAForClassification.from_pretrained(tmp_path)
    assert not loaded.training
    batch = make_batch(guide=fields.get("guide_dim", 12), knowledge=True)
    # What is loaded is sped up, and rounds otherwise than the plain model.
    expected, output = speed_up(model)(**batch), loaded(**batch)
    assert torch.equal(output.logits, expected.logits)
    assert torch.equal(output.loss, expected.loss)


def test_what_was_frozen_is_frozen_after_loading(tmp_path: Path) -> None:
    model = build(freeze_text_encoder=True, freeze_vision_encoder=1)
    model.save_pretrained(tmp_path)
    loaded = CLFAForClassification.from_pretrained(tmp_path)
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert [name for name, parameter in loaded.named_parameters() if not parameter.requires_grad] == frozen
    assert frozen
    assert not loaded.train().clfa.text_encoder.training
    body, _ = CLFAModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not body.text_encoder.embeddings.word_embeddings.weight.requires_grad


def test_auto_model_takes_the_body(tmp_path: Path) -> None:
    model = build()
    model.save_pretrained(tmp_path)
    body = AutoModel.from_pretrained(tmp_path)
    assert type(body) is CLFAModel
    batch = make_batch(labels=False)
    assert torch.equal(body(**batch).last_hidden_state, speed_up(model).clfa(**batch).last_hidden_state)


def test_clip_towers_as_encoders(tiny_clip_dir: Path, tmp_path: Path) -> None:
    model = CLFAForClassification.from_encoders(tiny_clip_dir, tiny_clip_dir, ["a", "b"], **HEAD).eval()
    model.save_pretrained(tmp_path)
    loaded = CLFAForClassification.from_pretrained(tmp_path)
    batch = make_batch(labels=False)
    assert torch.equal(loaded(**batch).logits, model(**batch).logits)


def test_linear_layers_start_as_pytorchs_do() -> None:
    model = build(num_labels=200)
    bound = 12**-0.5
    for tensor in (model.classifier.weight, model.classifier.bias):
        assert tensor.abs().max() <= bound
        assert tensor.abs().max() > 0.9 * bound
    assert torch.equal(model.clfa.fusion.layers[0].self_attention.layer_norm.weight, torch.ones(12))


def test_tuples_on_request() -> None:
    output = build()(**make_batch())
    assert torch.equal(output[0], output.loss)
    assert torch.equal(output[1], output.logits)


def test_input_embeddings_are_the_text_encoders() -> None:
    model = build()
    words = model.clfa.text_encoder.embeddings.word_embeddings
    assert model.get_input_embeddings() is model.clfa.get_input_embeddings() is words
    other = torch.nn.Embedding(50, 16)
    model.set_input_embeddings(other)
    assert model.clfa.text_encoder.embeddings.word_embeddings is other


def test_an_image_only_model_has_no_input_embeddings() -> None:
    model = build(text=False)
    assert model.get_input_embeddings() is None
    with pytest.raises(ModelError, match=r"^an image-only model has no input embeddings\.$"):
        model.set_input_embeddings(torch.nn.Embedding(50, 16))
