from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.cpu import speed_up
from clfa.modeling import CLFAForClassification
from clfa.modeling.fusion import FUSIONS, Stream
from clfa.modeling.missing import MissingTokens

from .test_model import build as build_model
from .test_model import make_batch

WIDTHS = {"text": 4, "image": 3}


def build(dropout: float = 0.0) -> MissingTokens:
    missing = MissingTokens(WIDTHS, dropout)
    torch.manual_seed(0)
    for token in missing.tokens.values():
        torch.nn.init.normal_(token)
    return missing


# The module.


def test_tokens_start_at_zero() -> None:
    tokens = MissingTokens(WIDTHS).tokens
    assert {name: token.tolist() for name, token in tokens.items()} == {"text": [0.0] * 4, "image": [0.0] * 3}


def test_fill_replaces_absent_samples_and_nothing_else() -> None:
    missing = build()
    hidden, mask = torch.randn(3, 5, 4), torch.tensor([[1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1] * 5])
    bias = torch.randn(3, 5, 5)
    filled = missing.fill("text", Stream(hidden, mask, bias), torch.tensor([True, False, True]))
    assert filled.mask.tolist() == [[1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1] * 5]
    assert torch.equal(filled.hidden[[0, 2]], hidden[[0, 2]])
    assert torch.equal(filled.hidden[1], missing.tokens["text"].expand(5, 4))
    assert filled.bias is bias


def test_fill_masks_all_but_the_first_token() -> None:
    filled = build().fill("image", Stream(torch.randn(2, 4, 3)), torch.tensor([False, True]))
    assert filled.mask.tolist() == [[1, 0, 0, 0], [1, 1, 1, 1]]
    boolean = Stream(torch.randn(1, 2, 3), torch.tensor([[False, True]]))
    assert build().fill("image", boolean, torch.tensor([True])).mask.tolist() == [[False, True]]
    assert build().fill("image", boolean, torch.tensor([False])).mask.tolist() == [[True, False]]


def test_nothing_leaks_from_an_absent_modality() -> None:
    filled = build().fill("image", Stream(torch.full((1, 4, 3), torch.nan)), torch.tensor([False]))
    assert torch.isfinite(filled.hidden).all()


def test_fill_in_half_precision() -> None:
    filled = build().fill("image", Stream(torch.randn(2, 4, 3).bfloat16()), torch.tensor([False, True]))
    assert filled.hidden.dtype == torch.bfloat16


def test_stand_in() -> None:
    missing = build()
    stream = missing.stand_in("image", 2)
    assert stream.mask is None
    assert torch.equal(stream.hidden, missing.tokens["image"].expand(2, 1, 3))


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40),
    st.floats(0.01, 1),
    st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_dropout_touches_complete_samples_only_and_takes_one_modality(
    rows: list[tuple[bool, bool]], dropout: float, seed: int
) -> None:
    torch.manual_seed(seed)
    present = {"text": torch.tensor([row[0] for row in rows]), "image": torch.tensor([row[1] for row in rows])}
    left = build(dropout).train().drop(present)
    for number, row in enumerate(rows):
        found = (bool(left["text"][number]), bool(left["image"][number]))
        if row == (True, True):
            assert any(found)
        else:
            assert found == row


def test_dropout_has_its_probability_and_no_favourite() -> None:
    torch.manual_seed(0)
    everywhere = torch.ones(20_000, dtype=torch.bool)
    left = build(0.3).train().drop({"text": everywhere, "image": everywhere})
    # Standard deviation of each share: sqrt(0.15 * 0.85 / 20000) = 0.0025.
    assert (~left["text"]).double().mean().item() == pytest.approx(0.15, abs=0.01)
    assert (~left["image"]).double().mean().item() == pytest.approx(0.15, abs=0.01)
    assert (left["text"] | left["image"]).all()


def test_no_dropout_in_evaluation_without_a_probability_or_with_one_modality() -> None:
    everywhere = torch.ones(100, dtype=torch.bool)
    both = {"text": everywhere, "image": everywhere}
    assert build(0.9).eval().drop(both) is both
    assert build(0.0).train().drop(both) is both
    one = {"text": everywhere}
    assert build(0.9).train().drop(one) is one


# In the model.

FUSED: list[dict[str, Any]] = [
    *({"fusion": name} for name in FUSIONS.names()),
    *({"baseline": name} for name in ("pooled_concat", "multi_sentinet", "co_memory", "clmlf")),
]


def incomplete(**fields: Any) -> CLFAForClassification:
    model = build_model(allow_missing_modalities=True, **fields)
    torch.manual_seed(5)
    for token in model.clfa.missing.tokens.values():
        torch.nn.init.normal_(token)
    return model


def mixed() -> dict[str, torch.Tensor]:
    """Sample 1 has no text, sample 2 no image."""
    batch = make_batch(labels=False)
    batch["attention_mask"][1] = 0
    batch["image_present"] = torch.tensor([True, True, False, True])
    return batch


def row(batch: dict[str, torch.Tensor], number: int, *names: str) -> dict[str, torch.Tensor]:
    return {name: batch[name][number : number + 1] for name in names}


@pytest.mark.parametrize("fields", FUSED, ids=str)
def test_incomplete_samples_in_a_batch_are_as_alone(fields: dict[str, Any]) -> None:
    model, batch = incomplete(**fields), mixed()
    with torch.no_grad():
        logits = model(**batch).logits
        no_text = model(**row(batch, 1, "pixel_values")).logits[0]
        no_image = model(**row(batch, 2, "input_ids", "attention_mask")).logits[0]
        torch.testing.assert_close(logits[1], no_text, rtol=0, atol=1e-6)
        torch.testing.assert_close(logits[2], no_image, rtol=0, atol=1e-6)
        complete = model(**make_batch(labels=False)).logits
        assert (logits[[1, 2]] - complete[[1, 2]]).abs().amax(dim=1).min() > 1e-4
        torch.testing.assert_close(logits[[0, 3]], complete[[0, 3]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("fields", FUSED, ids=str)
def test_complete_samples_are_as_in_a_model_without_missing_modalities(fields: dict[str, Any]) -> None:
    model, plain = incomplete(**fields), build_model(**fields)
    loaded = plain.load_state_dict(model.state_dict(), strict=False)
    assert loaded.missing_keys == []
    assert sorted(loaded.unexpected_keys) == ["clfa.missing.tokens.image", "clfa.missing.tokens.text"]
    with torch.no_grad():
        torch.testing.assert_close(
            model(**make_batch(labels=False)).logits, plain(**make_batch(labels=False)).logits, rtol=0, atol=1e-6
        )


def test_what_stands_in_the_place_of_a_missing_modality_does_not_matter() -> None:
    model, batch = incomplete(), mixed()
    spoiled = {name: tensor.clone() for name, tensor in batch.items()}
    spoiled["input_ids"][1] = 7
    spoiled["pixel_values"][2] = 3.0
    with torch.no_grad():
        torch.testing.assert_close(model(**spoiled).logits, model(**batch).logits, rtol=0, atol=1e-6)
    assert batch["attention_mask"][1].sum() == 0


def test_gradients_reach_the_tokens() -> None:
    model = incomplete().train()
    model(**mixed(), labels=torch.tensor([0, 1, 2, 0])).loss.backward()
    for name, token in model.clfa.missing.tokens.items():
        assert token.grad is not None, name
        assert token.grad.abs().sum() > 0, name


def test_presence_is_reported() -> None:
    output = incomplete().clfa(**mixed())
    assert output.text_present.tolist() == [True, False, True, True]
    assert output.image_present.tolist() == [True, True, False, True]
    assert build_model().clfa(**make_batch(labels=False)).text_present is None


def test_modality_dropout_in_training_only() -> None:
    model, batch = incomplete(modality_dropout=0.99), make_batch(labels=False)
    assert model.eval().clfa(**batch).text_present.all()
    torch.manual_seed(0)
    output = model.train().clfa(**batch)
    both = torch.stack([output.text_present, output.image_present])
    assert both.any(dim=0).all()
    assert not both.all(dim=0).any()


def test_neither_text_nor_image() -> None:
    with pytest.raises(ValueError, match="the batch has neither text nor image"):
        incomplete()()


def test_tokens_are_saved(tmp_path: Any) -> None:
    model = incomplete()
    model.save_pretrained(tmp_path)
    loaded = CLFAForClassification.from_pretrained(tmp_path)
    for name, token in model.clfa.missing.tokens.items():
        assert torch.equal(loaded.clfa.missing.tokens[name], token)
    with torch.no_grad():
        # What is loaded is sped up, and rounds otherwise than the plain model.
        assert torch.equal(loaded(**mixed()).logits, speed_up(model)(**mixed()).logits)
