from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clfa.errors import ModelError
from clfa.modeling import CLFAForClassification
from clfa.modeling.fusion import FUSIONS
from clfa.modeling.readout import READOUTS
from modeling.fusion.models import build_model, make_batch

ALL = [(fusion, readout) for fusion in FUSIONS.names() for readout in READOUTS.names()]


@pytest.mark.parametrize(("fusion", "readout"), ALL)
def test_every_fusion_with_every_readout(fusion: str, readout: str, tmp_path: Path) -> None:
    model = build_model(fusion, readout=readout, use_knowledge=True)
    batch = make_batch()
    with torch.no_grad():
        output = model(**batch)
        assert output.logits.shape == (4, 3)
        if readout == "pooled":
            assert output.agreement is None
        else:
            expected = torch.nn.functional.cosine_similarity(output.text_embeds, output.image_embeds)
            torch.testing.assert_close(output.agreement, expected)
        # A post by itself has the same result as in a padded batch.
        alone = model(
            **{
                name: tensor[3:4, :1] if name in ("input_ids", "attention_mask") else tensor[3:4]
                for name, tensor in batch.items()
                if name != "labels"
            }
        )
    torch.testing.assert_close(alone.logits, output.logits[3:4], rtol=1e-4, atol=1e-5)
    model.save_pretrained(tmp_path)
    loaded = CLFAForClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(loaded(**batch).logits, output.logits)


@pytest.mark.parametrize("fusion", FUSIONS.names())
def test_the_relation_is_added_to_the_logits_of_the_pooled_vector(fusion: str) -> None:
    model, batch = build_model(fusion, readout="relation"), make_batch()
    plain = build_model(fusion)
    plain.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        added = model(**batch).logits - plain(**batch).logits
        model.readout.relation.weight.zero_()
        torch.testing.assert_close(model(**batch).logits, plain(**batch).logits)
    assert (added.abs().sum(dim=1) > 1e-3).all()


def test_the_relation_is_read_in_the_space_of_the_guide() -> None:
    model, batch = build_model("sum", readout="relation", guide_dim=5), make_batch()
    assert model.readout.relation.weight.shape == (3, 2 * 5 + 3)
    batch = {name: tensor for name, tensor in batch.items() if not name.startswith("guide")}
    with torch.no_grad():
        before = model(**batch)
        model.alignment["image"].weight.neg_()
        after = model(**batch)
    torch.testing.assert_close(after.agreement, -before.agreement)


def test_posts_without_text_or_image_have_no_agreement() -> None:
    model, batch = build_model("cross_attention", readout="relation", allow_missing_modalities=True), make_batch()
    batch = {name: batch[name] for name in ("input_ids", "attention_mask", "pixel_values")}
    batch["attention_mask"][0] = 0
    batch["image_present"] = torch.tensor([True, False, True, True])
    with torch.no_grad():
        agreement = model(**batch).agreement
        assert agreement.isnan().tolist() == [True, True, False, False]
        texts = model(input_ids=batch["input_ids"][2:], attention_mask=batch["attention_mask"][2:])
        assert texts.agreement.isnan().all()
        assert texts.logits.isfinite().all()


def test_several_targets() -> None:
    targets = [
        {"name": "mood", "problem_type": "single_label_classification", "label_names": ["calm", "angry"]},
        {"name": "strength", "problem_type": "regression", "label_names": []},
    ]
    model, batch = build_model("concat", readout="relation", num_labels=3, targets=targets), make_batch()
    batch["labels"] = torch.tensor([[0, 0.5], [1, 1.5], [1, float("nan")], [0, 0.0]])
    output = model(**batch)
    assert output.logits.shape == (4, 3)
    output.loss.backward()
    assert model.readout.relation.weight.grad.abs().sum() > 0


def test_a_baseline_has_no_relation() -> None:
    with pytest.raises(ModelError, match="a baseline has no aligned text and image; set readout=pooled"):
        build_model("sum", readout="relation", baseline="pooled_concat")


def test_one_modality_has_no_relation() -> None:
    with pytest.raises(ModelError, match="the model reads one modality; set readout=pooled"):
        build_model("sum", image=False, readout="relation")


def test_losses_are_those_of_the_same_students() -> None:
    batch = make_batch()
    relation, pooled = build_model("sum", readout="relation"), build_model("sum")
    pooled.load_state_dict(relation.state_dict(), strict=False)
    a, b = relation(**batch), pooled(**batch)
    torch.testing.assert_close(a.loss_text_alignment, b.loss_text_alignment)
    torch.testing.assert_close(a.loss_image_alignment, b.loss_image_alignment)
