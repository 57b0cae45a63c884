"""The losses of single- and multi-label targets against NumPy, written from the formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from clfa.targets.multi_label import multi_label_loss
from clfa.targets.single_label import single_label_loss
from loss_formulas import draws, numpy_multi, numpy_single


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]), st.sampled_from([0.0, 0.1, 0.5]))
def test_classification_losses_are_the_formulas(seed: int, gamma: float, smoothing: float) -> None:
    logits, labels, sets, weights = draws(seed)
    tensors = [torch.from_numpy(array) for array in (logits, labels, sets, weights)]
    found = single_label_loss(tensors[0], tensors[1], tensors[3], gamma, smoothing)
    assert found.item() == pytest.approx(numpy_single(logits, labels, weights, gamma, smoothing), rel=1e-9)
    found = multi_label_loss(tensors[0], tensors[2], tensors[3], gamma, smoothing)
    assert found.item() == pytest.approx(numpy_multi(logits, sets, weights, gamma, smoothing), rel=1e-9)
    ones = np.ones(4)
    found = single_label_loss(tensors[0], tensors[1], None, gamma, smoothing)
    assert found.item() == pytest.approx(numpy_single(logits, labels, ones, gamma, smoothing), rel=1e-9)
    found = multi_label_loss(tensors[0], tensors[2], None, gamma, smoothing)
    assert found.item() == pytest.approx(numpy_multi(logits, sets, ones, gamma, smoothing), rel=1e-9)


def test_without_focus_they_are_pytorchs() -> None:
    logits, labels, sets, weights = (torch.from_numpy(array) for array in draws(3))
    tiny = 1e-9
    assert torch.equal(single_label_loss(logits, labels), F.cross_entropy(logits, labels))
    expected = F.cross_entropy(logits, labels, weights, label_smoothing=0.1)
    torch.testing.assert_close(single_label_loss(logits, labels, weights, tiny, 0.1), expected)
    expected = F.binary_cross_entropy_with_logits(logits, sets, pos_weight=weights)
    assert torch.equal(multi_label_loss(logits, sets, weights), expected)
    torch.testing.assert_close(multi_label_loss(logits, sets, weights, tiny), expected)


def test_focus_is_on_what_is_wrong() -> None:
    right, wrong = torch.tensor([[4.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    label = torch.tensor([0])
    plain = single_label_loss(wrong, label) / single_label_loss(right, label)
    focused = single_label_loss(wrong, label, gamma=2.0) / single_label_loss(right, label, gamma=2.0)
    # (p_wrong's 1 - p over p_right's)^2 = e^8.
    assert (focused / plain).item() == pytest.approx(np.exp(8), rel=1e-4)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradients_are_finite_where_the_model_is_sure(gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = single_label_loss(logits, torch.tensor([0]), gamma=gamma) + single_label_loss(
        logits, torch.tensor([1]), gamma=gamma
    )
    sets = torch.tensor([[1.0, 1.0]])
    loss = loss + multi_label_loss(logits, sets, gamma=gamma) + multi_label_loss(logits, 1 - sets, gamma=gamma)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
