from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from clfa.errors import ModelError
from clfa.modeling.baselines.clmlf import data_contrast, label_contrast
from clfa.modeling.fusion import Stream
from clfa.targets.target import Target
from modeling import formulas

from .batches import assert_gradients_reach, assert_padding_changes_nothing, build, close, stream


def streams(text: list[int], image: list[int]) -> dict[str, Stream]:
    return {"text": stream("text", text), "image": stream("image", image)}


def encoder_layer(x: torch.Tensor, P: formulas.Parameters, name: str) -> torch.Tensor:
    """Post-norm self-attention with 2 heads, and feed-forward; one unpadded sample."""
    q, k, v = (formulas.linear(x, P, f"{name}.attention.{part}") for part in ("query", "key", "value"))
    update = formulas.linear(formulas.attention(q, k, v, 2, None), P, f"{name}.attention.output")
    x = formulas.layer_norm(x + update, P, f"{name}.attention.layer_norm", 1e-12)
    return formulas.feed_forward_sub_layer(x, P, f"{name}.feed_forward")


def test_one_transformer_over_both_and_attention_pooling() -> None:
    baseline = build("clmlf", num_image_layers=1)
    batch = streams([5, 2], [4, 3])
    found = baseline(batch).hidden[:, 0]
    P = {name: parameter.detach() for name, parameter in baseline.named_parameters()}
    for row, (t, i) in enumerate([(5, 4), (2, 3)]):
        image = formulas.linear(batch["image"].hidden[row : row + 1, :i], P, "image_projection")
        image = encoder_layer(image, P, "image_layers.0")
        x = torch.cat([formulas.linear(batch["text"].hidden[row : row + 1, :t], P, "text_projection"), image], dim=1)
        for number in range(2):
            x = encoder_layer(x, P, f"layers.{number}")
        scores = formulas.gelu(formulas.linear(x, P, "attention.0")) @ P["attention.2.weight"][0]
        weights = torch.exp(scores) / torch.exp(scores).sum()
        close(found[row].detach(), (weights[0, :, None] * x[0]).sum(0))


def test_label_contrast() -> None:
    z = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    labels = [0, 1, 0]
    scores = np.exp(z @ z.T / 0.5)
    shares = scores / scores.sum(axis=1, keepdims=True)
    pairs = [(i, j) for i in range(3) for j in range(3) if labels[i] == labels[j]]
    assert len(pairs) == 5
    expected = -np.mean([np.log(shares[i, j]) for i, j in pairs])
    close(label_contrast(torch.tensor(z), torch.tensor(labels), 0.5), expected)


def test_data_contrast() -> None:
    z, other = np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([[0.8, 0.6], [0.0, 1.0]])
    scores = np.exp(z @ other.T / 0.5)
    expected = -np.mean(np.log(np.diag(scores) / scores.sum(axis=1)))
    close(data_contrast(torch.tensor(z), torch.tensor(other), 0.5), expected)


def test_auxiliary_loss_is_the_weighted_sum() -> None:
    labels, batch = torch.tensor([0, 1, 0]), streams([5, 2, 3], [4, 3, 4])
    # Without dropped tokens and dropout the augmented sample is the sample.
    baseline = build("clmlf", label_weight=0.3, data_weight=0.7, temperature=0.2, token_dropout=0.0)
    fused = baseline(batch)
    pooled = fused.hidden[:, 0]
    z, augmented = (torch.nn.functional.normalize(head(pooled)) for head in (baseline.head, baseline.augmented_head))
    expected = 0.3 * label_contrast(z, labels, 0.2) + 0.7 * data_contrast(z, augmented, 0.2)
    close(baseline.auxiliary_loss(batch, fused, labels).detach(), expected.detach())


@pytest.mark.parametrize(("label_weight", "data_weight"), [(0.0, 2.0), (2.0, 0.0)])
def test_one_of_the_two_losses(label_weight: float, data_weight: float) -> None:
    labels, batch = torch.tensor([0, 1, 0]), streams([5, 2, 3], [4, 3, 4])
    baseline = build("clmlf", label_weight=label_weight, data_weight=data_weight, token_dropout=0.0)
    fused = baseline(batch)
    z = torch.nn.functional.normalize(baseline.head(fused.hidden[:, 0]))
    if label_weight:
        assert not hasattr(baseline, "augmented_head")
        expected = label_contrast(z, labels, 0.07)
    else:
        augmented = torch.nn.functional.normalize(baseline.augmented_head(fused.hidden[:, 0]))
        expected = data_contrast(z, augmented, 0.07)
    close(baseline.auxiliary_loss(batch, fused, labels).detach(), 2 * expected.detach())


def test_only_labelled_samples_attract_each_other() -> None:
    batch, nan = streams([5, 2, 3], [4, 3, 4]), torch.nan
    options = {"label_weight": 1.0, "data_weight": 0.0}
    irony = Target("irony", label_names=("no", "yes"))
    baseline = build("clmlf", fields={"targets": [irony.to_dict()]}, **options)
    fused = baseline(batch)
    z = torch.nn.functional.normalize(baseline.head(fused.hidden[[0, 2], 0]))
    found = baseline.auxiliary_loss(batch, fused, torch.tensor([[1.0], [nan], [1.0]]))
    close(found.detach(), label_contrast(z, torch.tensor([1, 1]), 0.07).detach())
    assert baseline.auxiliary_loss(batch, fused, torch.full((3, 1), nan)) is None


def test_neither_loss() -> None:
    baseline, batch = build("clmlf", label_weight=0, data_weight=0), streams([5, 2], [4, 3])
    assert baseline.auxiliary_loss(batch, baseline(batch), torch.tensor([0, 1])) is None
    assert not hasattr(baseline, "head")


def test_augmented_samples_lose_tokens_but_never_all() -> None:
    baseline = build("clmlf", token_dropout=0.5)
    torch.manual_seed(0)
    lengths = [1, 2, 8] * 400
    kept = baseline._thinned(stream("text", lengths)).mask
    assert not (kept & ~stream("text", lengths).mask.bool()).any()  # type: ignore[union-attr]
    counts = kept.sum(dim=1)
    assert (counts[0::3] == 1).all()
    assert (counts >= 1).all()
    # 8 tokens, half of them: 4 on average, 1.4 deviation, of 400 samples.
    assert counts[2::3].double().mean().item() == pytest.approx(4, abs=0.3)
    whole = build("clmlf", token_dropout=0.0)._thinned(stream("text", [3, 1]))
    assert whole.mask.tolist() == [[True, True, True], [True, False, False]]


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(build("clmlf"), streams([5, 3, 1], [4, 2, 4]))


def test_padding_changes_no_loss() -> None:
    baseline, batch, labels = build("clmlf", token_dropout=0.0), streams([5, 3], [4, 2]), torch.tensor([0, 1])
    long = {
        name: Stream(torch.cat([p.hidden, 9 + p.hidden], 1), torch.cat([p.mask, 0 * p.mask], 1))
        for name, p in batch.items()
    }
    losses = [baseline.auxiliary_loss(part, baseline(part), labels).detach() for part in (batch, long)]
    close(*losses)


def test_gradients_reach_every_parameter() -> None:
    baseline = build("clmlf")
    batch = streams([4] * 6, [5] * 6)
    fused = baseline(batch)
    loss = fused.hidden.square().sum() + baseline.auxiliary_loss(batch, fused, torch.tensor([0, 1, 0, 1, 1, 0]))
    assert_gradients_reach(baseline, loss)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"token_dropout": 1.0},
        {"token_dropout": -0.1},
        {"num_image_layers": -1},
        {"label_weight": -1.0},
        {"data_weight": -1.0},
    ],
)
def test_options_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"'clmlf' needs temperature above 0, token_dropout from 0 to below 1, and"):
        build("clmlf", **options)


def test_label_contrast_needs_one_class_per_sample() -> None:
    targets = [Target("size", "regression").to_dict()]
    baseline = build("clmlf", label_weight=1.0, data_weight=0.0, fields={"targets": targets})
    batch = streams([5, 2], [4, 3])
    with pytest.raises(ModelError, match=r"needs one target with one class per sample; set .*label_weight=0"):
        baseline.auxiliary_loss(batch, baseline(batch), torch.zeros(2))
