from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from clfa.modeling import CLFAConfig
from clfa.modeling.readout import READOUTS, AlignedPair
from clfa.modeling.readout.relation import RelationReadout

ENCODERS: dict[str, Any] = {"text_config": {"model_type": "bert"}, "vision_config": {"model_type": "vit"}}


def build(width: int = 2, **fields: Any) -> RelationReadout:
    config = CLFAConfig(**ENCODERS, hidden_size=8, num_labels=2, classifier_dropout=0.0, **fields)
    torch.manual_seed(0)
    return RelationReadout(config, width).double().eval()


def make_pair(samples: int = 3, width: int = 2, seed: int = 0) -> AlignedPair:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    text_mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])[:samples]
    image_mask = torch.tensor([[1, 1, 0], [1, 1, 1], [1, 0, 0]])[:samples]
    tokens = draw(samples, 4, width), draw(samples, 3, width)
    return AlignedPair(draw(samples, width), draw(samples, width), *tokens, text_mask, image_mask)


def reference(pair: AlignedPair, weight: np.ndarray) -> np.ndarray:
    """The added logits, sample by sample in NumPy."""

    def unit(vector: np.ndarray) -> np.ndarray:
        return vector / np.linalg.norm(vector)

    added = []
    assert pair.text_mask is not None
    assert pair.image_mask is not None
    for n in range(len(pair.text)):
        t, i = unit(pair.text[n].numpy()), unit(pair.image[n].numpy())
        words = [unit(v) for v, keep in zip(pair.text_tokens[n].numpy(), pair.text_mask[n], strict=True) if keep]
        cells = [unit(v) for v, keep in zip(pair.image_tokens[n].numpy(), pair.image_mask[n], strict=True) if keep]
        by_word = np.mean([max(word @ cell for cell in cells) for word in words])
        by_cell = np.mean([max(word @ cell for word in words) for cell in cells])
        root = len(t) ** 0.5
        features = np.concatenate([t * i * root, abs(t - i) * root, [5 * (t @ i), 5 * by_word, 5 * by_cell]])
        added.append(weight @ features)
    return np.stack(added)


def test_fixed_values() -> None:
    readout = build()
    with torch.no_grad():
        readout.relation.weight.copy_(torch.eye(2, 7, dtype=torch.float64) + torch.tensor([[0.0] * 4 + [1, 0, 0]] * 2))
    text, image = torch.tensor([[3.0, 4.0]]).double(), torch.tensor([[0.0, 2.0]]).double()
    logits, agreement = readout(
        torch.tensor([[1.0, 2.0]]).double(), AlignedPair(text, image, text[:, None], image[:, None])
    )
    # t = (0.6, 0.8), i = (0, 1): product (0, 0.8 sqrt 2), cosine 0.8, five times 4.
    assert agreement.tolist() == pytest.approx([0.8])
    assert logits.tolist()[0] == pytest.approx([1 + 4, 2 + 0.8 * 2**0.5 + 4])


def test_equals_an_independent_computation() -> None:
    readout, pair = build(width=4), make_pair(width=4)
    logits = torch.randn(3, 2, dtype=torch.float64)
    found, agreement = readout(logits, pair)
    expected = logits.numpy() + reference(pair, readout.relation.weight.detach().numpy())
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-12)
    cosines = torch.nn.functional.cosine_similarity(pair.text, pair.image)
    torch.testing.assert_close(agreement, cosines)


def test_padding_changes_nothing() -> None:
    readout, pair = build(), make_pair()
    assert pair.text_mask is not None
    assert pair.image_mask is not None
    junk = pair._replace(
        text_tokens=torch.where(pair.text_mask[..., None] == 1, pair.text_tokens, 1e3),
        image_tokens=torch.where(pair.image_mask[..., None] == 1, pair.image_tokens, -1e3),
    )
    zeros = torch.zeros(3, 2, dtype=torch.float64)
    assert torch.equal(readout(zeros, pair)[0], readout(zeros, junk)[0])


def test_no_mask_is_a_mask_of_ones() -> None:
    readout, pair = build(), make_pair()
    zeros = torch.zeros(3, 2, dtype=torch.float64)
    ones = pair._replace(text_mask=torch.ones(3, 4), image_mask=torch.ones(3, 3))
    none = pair._replace(text_mask=None, image_mask=None)
    torch.testing.assert_close(readout(zeros, ones)[0], readout(zeros, none)[0])


def test_incomplete_samples_keep_their_logits_and_have_no_agreement() -> None:
    readout, pair = build(), make_pair()
    logits = torch.randn(3, 2, dtype=torch.float64)
    whole, _ = readout(logits, pair)
    found, agreement = readout(logits, pair._replace(complete=torch.tensor([True, False, True])))
    assert torch.equal(found[1], logits[1])
    assert torch.equal(found[[0, 2]], whole[[0, 2]])
    assert agreement.isnan().tolist() == [False, True, False]


def test_gradients_reach_both_students_and_both_kinds_of_tokens() -> None:
    readout, pair = build(), make_pair()
    parts = [part.requires_grad_() for part in pair[:4]]
    readout(torch.zeros(3, 2, dtype=torch.float64), pair)[0].sum().backward()
    assert all(part.grad is not None and part.grad.abs().sum() > 0 for part in parts)


def test_zero_vectors_give_finite_gradients() -> None:
    pair = AlignedPair(*(torch.zeros(1, *shape, dtype=torch.float64) for shape in ((2,), (2,), (1, 2), (1, 2))))
    for part in pair[:4]:
        part.requires_grad_()
    readout = build()
    logits, _ = readout(torch.zeros(1, 2, dtype=torch.float64), pair)
    logits.sum().backward()
    assert all(torch.isfinite(part.grad).all() for part in pair[:4])


def test_half_precision_tokens_are_compared_in_float32() -> None:
    readout, pair = build().float(), make_pair()
    lower = AlignedPair(*(part.bfloat16() for part in pair[:4]), pair.text_mask, pair.image_mask)
    logits, agreement = readout(torch.zeros(3, 2), lower)
    assert logits.dtype == agreement.dtype == torch.float32


def test_the_relation_readout_needs_a_pair() -> None:
    with pytest.raises(ValueError, match="needs the aligned text and image"):
        build()(torch.zeros(1, 2), None)


def test_the_pooled_readout_changes_nothing() -> None:
    readout = READOUTS.get("pooled")(CLFAConfig(**ENCODERS), 8)
    logits = torch.randn(2, 3)
    found, agreement = readout(logits, None)
    assert found is logits
    assert agreement is None
    assert not list(readout.parameters())
