"""Every readout with every fusion inside a whole model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from clfa.cpu import speed_up
from clfa.modeling import CLFAForClassification
from clfa.modeling.fusion import FUSIONS
from clfa.modeling.readout import READOUTS
from modeling.fusion.models import build_model, make_batch

everywhere = pytest.mark.parametrize(
    ("fusion", "readout"), [(fusion, readout) for fusion in FUSIONS.names() for readout in READOUTS.names()]
)


@everywhere
def test_logits_are_those_of_the_classifier_and_the_relation(fusion: str, readout: str) -> None:
    model = build_model(fusion, readout=readout, use_knowledge=True)
    plain = build_model(fusion, use_knowledge=True)
    loaded = plain.load_state_dict(model.state_dict(), strict=False)
    assert loaded.missing_keys == []
    assert loaded.unexpected_keys == (["readout.dense.weight"] if readout == "relation" else [])
    batch = make_batch()
    with torch.no_grad():
        output, without = model(**batch), plain(**batch)
        students = model._students(model.clfa(**{k: v for k, v in batch.items() if "guide" not in k}))
        term = model.readout(torch.zeros(4, 3), students)
    torch.testing.assert_close(output.logits, without.logits + term)
    assert term.abs().amax() > 1e-2 if readout == "relation" else (term == 0).all()
    assert (output.agreement is not None) == (readout == "relation")


@everywhere
def test_a_training_step_moves_every_head_parameter_and_lowers_the_loss(fusion: str, readout: str) -> None:
    model = build_model(fusion, readout=readout, use_knowledge=True, allow_missing_modalities=True).train()
    batch = make_batch()
    batch["image_present"] = torch.tensor([True, False, True, True])
    batch["attention_mask"][2] = 0
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    output = model(**batch)
    output.loss.backward()
    optimizer.step()
    unmoved = {
        name
        for name, parameter in model.named_parameters()
        if torch.equal(parameter, before[name]) and not name.endswith("key.bias") and "pooler" not in name
    }
    assert unmoved == set()
    assert model(**batch).loss < output.loss


@everywhere
def test_save_and_load(fusion: str, readout: str, tmp_path: Path) -> None:
    model = build_model(fusion, readout=readout, guide_dim=5)
    model.save_pretrained(tmp_path)
    loaded, report = CLFAForClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert loaded.config.readout == readout
    batch = {name: tensor for name, tensor in make_batch().items() if "guide" not in name}
    with torch.no_grad():
        # What is loaded is sped up, and rounds otherwise than the plain model.
        found, plain, fast = loaded.eval()(**batch), model(**batch).logits, speed_up(model)(**batch)
    assert torch.equal(found.logits, fast.logits)
    torch.testing.assert_close(found.logits, plain, rtol=0, atol=1e-5)


def test_options_are_saved(tmp_path: Path) -> None:
    build_model("sum", readout="relation", readout_options={"parts": ["cosine"]}).save_pretrained(tmp_path)
    assert CLFAForClassification.from_pretrained(tmp_path).readout.parts == ["cosine"]


def test_a_configuration_without_the_field_is_pooled(tmp_path: Path) -> None:
    model = build_model("sum")
    model.save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    for name in ("readout", "readout_options"):
        content.pop(name, None)
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    loaded = CLFAForClassification.from_pretrained(tmp_path)
    assert loaded.config.readout == "pooled"
    with torch.no_grad():
        torch.testing.assert_close(loaded(**make_batch()).logits, model(**make_batch()).logits)
