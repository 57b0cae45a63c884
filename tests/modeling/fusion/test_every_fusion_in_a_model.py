"""Every fusion inside a whole model: training, saving, missing modalities."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clfa.cpu import speed_up
from clfa.modeling import CLFAForClassification
from clfa.modeling.fusion import FUSIONS

from .models import build_model, make_batch

fusions = pytest.mark.parametrize("fusion", FUSIONS.names())


@fusions
def test_save_and_load(fusion: str, tmp_path: Path) -> None:
    model = build_model(fusion, use_knowledge=True)
    model.save_pretrained(tmp_path)
    loaded, report = CLFAForClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert loaded.config.fusion == fusion
    assert type(loaded.clfa.fusion) is FUSIONS.get(fusion)
    expected = model.state_dict()
    assert list(loaded.state_dict()) == list(expected)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())
    with torch.no_grad():
        # What is loaded is sped up, and rounds otherwise than the plain model.
        assert torch.equal(loaded.eval()(**make_batch()).logits, speed_up(model)(**make_batch()).logits)


@fusions
def test_a_guided_training_step_moves_every_head_parameter_and_lowers_the_loss(fusion: str) -> None:
    model = build_model(fusion, use_knowledge=True).train()
    batch = make_batch()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    output = model(**batch)
    alignment = output.loss_text_alignment + output.loss_image_alignment
    torch.testing.assert_close(output.loss, alignment + output.loss_classification)
    output.loss.backward()
    optimizer.step()
    unmoved = {
        name
        for name, parameter in model.named_parameters()
        if torch.equal(parameter, before[name]) and not name.endswith("key.bias") and "pooler" not in name
    }
    assert unmoved == set()
    after = model(**batch)
    assert after.loss < output.loss
    assert after.loss_text_alignment + after.loss_image_alignment < alignment


@fusions
@pytest.mark.parametrize("modality", ["text", "image"])
def test_one_modality_classifies_and_aligns(fusion: str, modality: str) -> None:
    text = modality == "text"
    model = build_model(fusion, text=text, image=not text)
    names = ("input_ids", "attention_mask", "guide_text_embeds") if text else ("pixel_values", "guide_image_embeds")
    batch = make_batch()
    output = model(**{name: batch[name] for name in (*names, "labels")})
    assert output.logits.shape == (4, 3)
    loss = output.loss_text_alignment if text else output.loss_image_alignment
    torch.testing.assert_close(output.loss, loss + output.loss_classification)


@fusions
def test_graphs_are_taken(fusion: str) -> None:
    graphs = {"text_bias": torch.rand(4, 6, 6), "knowledge_bias": torch.rand(4, 6, 3)}
    assert torch.isfinite(build_model(fusion, use_knowledge=True)(**make_batch(), **graphs).logits).all()


@fusions
def test_what_stands_for_a_missing_modality_does_not_depend_on_its_content(fusion: str) -> None:
    model = build_model(fusion, allow_missing_modalities=True)
    batch = make_batch()
    batch = {name: batch[name] for name in ("input_ids", "attention_mask", "pixel_values")}
    batch["attention_mask"][2] = 0
    present = {"image_present": torch.tensor([True, False, True, True])}
    changed = {name: tensor.clone() for name, tensor in batch.items()}
    changed["pixel_values"][1] += 1
    changed["input_ids"][2] = 7
    with torch.no_grad():
        logits, same = model(**batch, **present).logits, model(**changed, **present).logits
        complete = model(**batch).logits
    assert torch.isfinite(logits).all()
    assert torch.equal(logits, same)
    assert (logits[1] - complete[1]).abs().max() > 1e-5
