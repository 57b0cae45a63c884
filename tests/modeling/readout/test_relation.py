from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from clfa.errors import ModelError
from clfa.modeling import CLFAForClassification
from clfa.modeling.fusion import Stream
from clfa.modeling.readout import Student
from clfa.modeling.readout.relation import PARTS, RelationReadout
from modeling.fusion.models import build_model, make_batch

from .reference import features


def build(**fields: Any) -> CLFAForClassification:
    return build_model("sum", readout="relation", **fields)


def inputs(*names: str) -> dict[str, torch.Tensor]:
    batch = make_batch()
    return {name: batch[name] for name in ("input_ids", "attention_mask", "pixel_values", *names)}


def by_hand(model: CLFAForClassification, batch: dict[str, torch.Tensor]) -> np.ndarray:
    """Features of each sample in NumPy, from the projected tokens."""
    inner = model.clfa(**batch)
    rows = []
    for number in range(len(batch["input_ids"])):
        tokens = {}
        for name in ("text", "image"):
            stream = inner.streams[name]
            own = stream.hidden[number]
            if stream.mask is not None:
                own = own[stream.mask[number].bool()]
            if name in model.alignment:
                own = own @ model.alignment[name].weight.T
            tokens[name] = own.detach().double().numpy()
        parts = features(tokens["text"].mean(0), tokens["image"].mean(0), tokens["text"], tokens["image"])
        rows.append(np.concatenate([parts[part] for part in model.readout.parts]))
    return np.stack(rows)


def test_features_of_fixed_students() -> None:
    readout = build(guide_dim=2).readout
    text = Student(torch.tensor([[3.0, 4.0]]), Stream(torch.tensor([[[2.0, 0.0], [0.0, 1.0]]])))
    image = Student(torch.tensor([[0.0, -2.0]]), Stream(torch.tensor([[[3.0, 4.0]]])))
    root = 2**0.5
    expected = [0.0, -0.8 * root, 0.6 * root, 1.8 * root, 5 * -0.8, 5 * 0.7, 5 * 0.8]
    assert readout.features(text, image)[0].tolist() == pytest.approx(expected)


def test_logits_of_fixed_weights() -> None:
    readout = build(guide_dim=2, readout_options={"parts": ["cosine"]}).readout
    with torch.no_grad():
        readout.dense.weight.copy_(torch.tensor([[1.0], [0.0], [-0.5]]))
    students = {"text": Student(torch.tensor([[3.0, 4.0]])), "image": Student(torch.tensor([[0.0, -2.0]]))}
    logits = readout(torch.tensor([[1.0, 1.0, 1.0]]), students)
    assert logits[0].tolist() == pytest.approx([1 - 4, 1, 1 + 2])


@pytest.mark.parametrize("guide_dim", [None, 5])
@pytest.mark.parametrize("parts", [PARTS, ("cosine",), ("tokens", "product"), ("difference",)])
def test_logits_in_a_model_against_numpy(guide_dim: int | None, parts: tuple[str, ...]) -> None:
    model, batch = build(guide_dim=guide_dim, readout_options={"parts": list(parts)}), inputs()
    with torch.no_grad():
        output = model(**batch)
        plain = output.pooler_output @ model.classifier.weight.T + model.classifier.bias
        expected = plain.numpy() + by_hand(model, batch) @ model.readout.dense.weight.numpy().T
    np.testing.assert_allclose(output.logits.numpy(), expected, atol=1e-5)
    cosines = torch.nn.functional.cosine_similarity(output.text_embeds, output.image_embeds)
    torch.testing.assert_close(output.agreement, cosines)


def test_parts_have_one_order() -> None:
    model = build(readout_options={"parts": ["tokens", "product"]})
    assert model.readout.parts == ["product", "tokens"]
    assert model.readout.dense.weight.shape == (3, 8 + 2)
    assert build().readout.dense.weight.shape == (3, 8 + 8 + 1 + 2)
    assert not build(readout_options={"parts": ["product", "cosine"]}).readout.reads_tokens


@pytest.mark.parametrize(
    ("parts", "found"), [([], r"\[\]"), (["cosine", "angle"], "the part 'angle'"), ("cosine", "'cosine'")]
)
def test_wrong_parts(parts: Any, found: str) -> None:
    takes = "model.readout_options.parts is a list of product, difference, cosine, tokens"
    with pytest.raises(ModelError, match=rf"^readout 'relation' has {found}; {takes}\.$"):
        build(readout_options={"parts": parts})


def test_dropout_is_the_classifiers() -> None:
    assert build(classifier_dropout=0.4).readout.dropout.p == 0.4
    model = build(classifier_dropout=0.5).train()
    students = {name: Student(torch.ones(1, 8), Stream(torch.ones(1, 2, 8))) for name in ("text", "image")}
    found = {tuple(model.readout(torch.zeros(1, 3), students)[0].tolist()) for _ in range(5)}
    assert len(found) > 1


@pytest.mark.parametrize("part", PARTS)
def test_every_part_sends_gradient_to_both_students(part: str) -> None:
    model = build(guide_dim=5, alpha=0.0, readout_options={"parts": [part]})
    # The classifier does not see the students, so that all gradient comes through the readout.
    torch.nn.init.zeros_(model.classifier.weight)
    model(**inputs("labels")).loss.backward()
    for module in (model.clfa.text_projection, model.clfa.image_projection, *model.alignment.values()):
        for name, parameter in module.named_parameters():
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().max() > 1e-5, name


def test_gradients_are_those_of_finite_differences() -> None:
    readout = build(guide_dim=3).readout.double()
    torch.manual_seed(0)
    vectors = [torch.randn(2, n, 3, dtype=torch.float64, requires_grad=True) for n in (4, 5)]
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])

    def logits(text: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        students = {
            "text": Student(text.mean(1), Stream(text, mask)),
            "image": Student(image.mean(1), Stream(image)),
        }
        return readout(torch.zeros(2, 3, dtype=torch.float64), students)

    assert torch.autograd.gradcheck(logits, vectors)


def test_padding_changes_nothing() -> None:
    model, batch = build(), inputs()
    padded = dict(batch)
    padded["input_ids"] = torch.cat([batch["input_ids"], torch.full((4, 5), 7)], dim=1)
    padded["attention_mask"] = torch.cat([batch["attention_mask"], torch.zeros(4, 5, dtype=torch.long)], dim=1)
    with torch.no_grad():
        expected, found = model(**batch), model(**padded)
    for name in ("logits", "agreement"):
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-5)


def test_masked_image_tokens_are_as_if_removed() -> None:
    model, batch = build(), inputs()
    with torch.no_grad():
        features = model.clfa.vision_encoder(batch.pop("pixel_values")).last_hidden_state
        mask = torch.tensor([[1, 1, 0, 1, 0]]).expand(4, 5)
        masked = model(**batch, image_features=features, image_attention_mask=mask)
        removed = model(**batch, image_features=features[:, [3, 0, 1]])
    torch.testing.assert_close(masked.logits, removed.logits, rtol=0, atol=1e-5)


def test_the_scale_of_the_students_does_not_matter() -> None:
    readout = build().readout
    torch.manual_seed(0)
    tokens = [torch.randn(2, n, 8) for n in (3, 4)]
    students = [Student(token.mean(1), Stream(token)) for token in tokens]
    larger = [Student(token.mean(1) * k, Stream(token * k)) for token, k in zip(tokens, (0.1, 30.0), strict=True)]
    torch.testing.assert_close(readout.features(*larger), readout.features(*students), rtol=0, atol=1e-5)


def test_a_sample_without_text_or_image_keeps_the_classifiers_logits() -> None:
    model, batch = build(allow_missing_modalities=True), inputs()
    batch["attention_mask"][1] = 0
    batch["image_present"] = torch.tensor([True, True, False, True])
    with torch.no_grad():
        output = model(**batch)
        plain = output.pooler_output @ model.classifier.weight.T + model.classifier.bias
        alone = model(**{name: batch[name][2:3] for name in ("input_ids", "attention_mask")})
    assert (output.logits - plain).abs().amax(dim=1).gt(1e-3).tolist() == [True, False, False, True]
    torch.testing.assert_close(output.logits[1:3], plain[1:3])
    assert torch.isnan(output.agreement).tolist() == [False, True, True, False]
    # A batch in which no sample has an image.
    torch.testing.assert_close(alone.logits[0], output.logits[2], rtol=0, atol=1e-5)
    assert torch.isnan(alone.agreement).all()


def test_missing_modalities_send_finite_gradients() -> None:
    model = build(allow_missing_modalities=True, modality_dropout=0.9).train()
    torch.manual_seed(0)
    output = model(**inputs("labels"))
    assert torch.isnan(output.agreement).any()
    output.loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert model.readout.dense.weight.grad is not None


@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision(autocast: bool) -> None:
    model, batch = build(), inputs("labels")
    with torch.no_grad():
        expected = model(**batch)
        if autocast:
            with torch.autocast("cpu", torch.bfloat16):
                output = model(**batch)
        else:
            batch["pixel_values"] = batch["pixel_values"].bfloat16()
            output = model.bfloat16()(**batch)
    assert output.logits.dtype == torch.bfloat16
    assert output.agreement.dtype == torch.float32
    torch.testing.assert_close(output.logits.float(), expected.logits, rtol=0, atol=0.1)
    torch.testing.assert_close(output.agreement, expected.agreement, rtol=0, atol=0.05)


def test_several_targets_have_an_output_each() -> None:
    targets = [
        {"name": "mood", "problem_type": "single_label_classification", "label_names": ["bad", "fair", "good"]},
        {"name": "topics", "problem_type": "multi_label_classification", "label_names": ["a", "b"]},
        {"name": "grade", "problem_type": "ordinal", "label_names": ["1", "2", "3"]},
        {"name": "strength", "problem_type": "regression", "label_names": [], "mean": 1.0, "sd": 2.0},
    ]
    model = build(targets=targets, num_labels=3)
    assert isinstance(model.readout, RelationReadout)
    with torch.no_grad():
        output = model(**inputs(), labels=torch.tensor([[0, 1, 0, 2, 0.5]] * 4))
    assert output.logits.shape == (4, model.readout.dense.out_features)
    assert output.logits.shape[1] == len(model.config.label_names) == 3 + 2 + 2 + 1
    assert set(output.loss_targets) == {"mood", "topics", "grade", "strength"}
    assert torch.isfinite(output.loss)
