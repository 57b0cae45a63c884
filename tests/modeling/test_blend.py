from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, ViTConfig

from clfa.modeling import CLFAConfig, CLFAForClassification

SMALL: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16
}  # fmt: skip
TERMS = 5


def make(seed: int, **further: Any) -> CLFAForClassification:
    torch.manual_seed(seed)
    config = CLFAConfig(
        text_config=BertConfig(vocab_size=30, **SMALL).to_dict(),
        vision_config=ViTConfig(image_size=32, patch_size=16, **SMALL).to_dict(),
        hidden_size=8, num_attention_heads=2, num_labels=2, freeze_text_encoder=True, freeze_vision_encoder=True,
        **further,
    )  # fmt: skip
    return CLFAForClassification(config).eval()


def members(count: int, **further: Any) -> list[CLFAForClassification]:
    """Networks with the encoders of the first one."""
    models = [make(seed, **further) for seed in range(count)]
    for model in models[1:]:
        model.clfa.text_encoder.load_state_dict(models[0].clfa.text_encoder.state_dict())
        model.clfa.vision_encoder.load_state_dict(models[0].clfa.vision_encoder.state_dict())
    return models


def batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(9)
    return {
        "input_ids": torch.randint(1, 30, (3, 4)),
        "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]),
        "pixel_values": torch.randn(3, 3, 32, 32),
    }


def wide_state(bias: float = 0.0) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return {
        "bias": torch.tensor([bias, 0.0]),
        "text_mean": torch.zeros(16), "text_weight": torch.randn(16, 2),
        "image_mean": torch.zeros(16), "image_weight": torch.randn(16, 2),
        "terms_weight": torch.randn(TERMS, 2),
    }  # fmt: skip


TERM_INPUTS = {
    "term_ids": torch.tensor([[1, 2], [0, 0], [4, 0]]),
    "term_weights": torch.tensor([[1, 2.0], [0, 0], [1, 0]]),
}
SCALE = torch.tensor([[0.5, 0.25], [0.2, 0.3], [0.1, 0.6]])


@pytest.mark.parametrize(
    "further", [{}, {"readout": "relation"}, {"fusion": "late"}, {"allow_missing_modalities": True}]
)
def test_a_blend_is_the_scaled_sum_of_its_members_and_the_linear_map(further: dict[str, Any]) -> None:
    models, inputs = members(3, **further), batch()
    with torch.no_grad():
        outputs = [model(**inputs) for model in models]
        text = models[0].clfa.text_encoder(inputs["input_ids"], inputs["attention_mask"]).last_hidden_state
        image = models[0].clfa.vision_encoder(inputs["pixel_values"]).last_hidden_state
    mask, state = inputs["attention_mask"].unsqueeze(-1), wide_state(bias=2)
    expected = sum(output.logits * scale for output, scale in zip(outputs, SCALE, strict=True))
    expected = expected + state["bias"] + image.mean(dim=1) @ state["image_weight"]
    expected = expected + (text * mask).sum(dim=1) / mask.sum(dim=1) @ state["text_weight"]
    terms = state["terms_weight"]
    expected = expected + torch.stack([terms[1] + 2 * terms[2], torch.zeros(2), terms[4]])
    models[0].join(models[1:], SCALE, state)
    with torch.no_grad():
        found = models[0](**inputs, **TERM_INPUTS)
    torch.testing.assert_close(found.logits, expected, atol=1e-4, rtol=1e-4)
    if further.get("readout") == "relation":
        torch.testing.assert_close(found.agreement, torch.stack([o.agreement for o in outputs]).mean(dim=0))


def test_a_missing_text_is_missing_for_every_member_and_the_linear_map() -> None:
    models, inputs = members(2, allow_missing_modalities=True), batch()
    inputs["attention_mask"][1] = 0
    with torch.no_grad():
        expected = sum(model(**inputs).logits for model in models)
        image = models[0].clfa.vision_encoder(inputs["pixel_values"]).last_hidden_state.mean(dim=1)
    state = wide_state()
    models[0].join(models[1:], torch.ones(2, 2), state)
    with torch.no_grad():
        found = models[0](**inputs).logits
    torch.testing.assert_close(found[1], (expected + image @ state["image_weight"])[1], atol=1e-4, rtol=1e-4)


def test_a_blend_is_saved_with_one_copy_of_the_encoders_and_loaded_again(tmp_path: Path) -> None:
    models, inputs = members(3), batch()
    models[0].join(models[1:], SCALE, wide_state())
    names = list(models[0].state_dict())
    assert any(name.startswith("members.1.clfa.fusion") for name in names)
    assert not any("encoder" in name for name in names if name.startswith("members"))
    models[0].save_pretrained(tmp_path)
    again = CLFAForClassification.from_pretrained(tmp_path).eval()
    assert (again.config.num_members, again.config.wide, again.config.num_terms) == (3, True, TERMS)
    with torch.no_grad():
        torch.testing.assert_close(again(**inputs, **TERM_INPUTS).logits, models[0](**inputs, **TERM_INPUTS).logits)


def test_a_blend_without_a_linear_map() -> None:
    models, inputs = members(2), batch()
    with torch.no_grad():
        expected = 0.5 * models[0](**inputs).logits + 2 * models[1](**inputs).logits
    models[0].join(models[1:], torch.tensor([[0.5, 0.5], [2, 2]]), None)
    assert not models[0].config.wide
    with torch.no_grad():
        torch.testing.assert_close(models[0](**inputs).logits, expected)


def test_a_blend_is_not_blended_again() -> None:
    models = members(2)
    other = copy.deepcopy(models[1])
    models[0].join([], torch.ones(1, 2), None)
    with pytest.raises(ValueError, match="a blend cannot be blended again; join its members' models instead"):
        models[0].join([other], torch.ones(2, 2), None)
    with pytest.raises(ValueError, match="a blend cannot be blended again"):
        models[1].join([models[0]], torch.ones(2, 2), None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_members": 2}, "several members, wide and blend_agreement need blended=true"),
        ({"blend_agreement": True}, "several members, wide and blend_agreement need blended=true"),
        ({"wide": True}, "several members, wide and blend_agreement need blended=true"),
        ({"blended": True, "num_terms": 3}, "num_terms needs wide=true"),
        ({"num_members": 0}, "num_members is 0, num_terms 0; 1 and 0 are the least"),
    ],
)
def test_fields_of_a_blend_that_do_not_fit(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(0, **fields)


def test_the_agreement_adds_a_line_of_it() -> None:
    first, second = members(2, readout="relation", allow_missing_modalities=True)
    given = batch()
    given["attention_mask"][1] = 0
    with torch.no_grad():
        each = [copy.deepcopy(model)(**given) for model in (first, second)]
    line = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 0.25])
    first.join([second], torch.tensor([[0.5, 0.5], [0.25, 0.25]]), None, line)
    with torch.no_grad():
        found = first(**given)
    expected = (each[0].logits * 0.5) + (each[1].logits * 0.25)
    mean = (each[0].agreement + each[1].agreement) / 2
    assert mean.isnan().tolist() == [False, True, False]
    # A post without a text has none.
    expected = expected + torch.where(mean.isnan()[:, None], 0.0, mean[:, None] * line[0] + line[1])
    torch.testing.assert_close(found.logits, expected)
    torch.testing.assert_close(found.agreement, mean, equal_nan=True)


def test_the_agreement_is_saved(tmp_path: Path) -> None:
    (model,) = members(1, readout="relation")
    model.join([], torch.ones(1, 2), None, (torch.tensor([2.0, -1.0]), torch.tensor([0.5, 0.25])))
    model.save_pretrained(tmp_path)
    again = CLFAForClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(again(**batch()).logits, model(**batch()).logits)
