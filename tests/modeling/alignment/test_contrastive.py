from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.modeling import GuidedContrastiveLoss


def numpy_loss(student: np.ndarray, guide: np.ndarray, temperature: float) -> float:
    """(CE(S) + CE(S^T)) / 2 with S = h g^T / tau of unit vectors and targets on the diagonal, by definition."""
    h = student / np.sqrt((student**2).sum(1, keepdims=True))
    g = guide / np.sqrt((guide**2).sum(1, keepdims=True))
    s = h @ g.T / temperature

    def cross_entropy(scores: np.ndarray) -> float:
        probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        return float(-np.log(np.diag(probabilities)).mean())

    return (cross_entropy(s) + cross_entropy(s.T)) / 2


def pairs(batch: int, width: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    student = torch.randn(batch, width, dtype=torch.float64, generator=generator)
    return student, torch.randn(batch, width, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize(("batch", "width"), [(2, 3), (8, 512), (33, 7)])
def test_equals_the_definition(batch: int, width: int, temperature: float) -> None:
    student, guide = pairs(batch, width, seed=batch)
    loss = GuidedContrastiveLoss(temperature)(student, guide)
    assert loss.item() == pytest.approx(numpy_loss(student.numpy(), guide.numpy(), temperature), abs=1e-12, rel=1e-12)


def test_temperature_defaults_to_the_papers() -> None:
    student, guide = pairs(5, 4, seed=0)
    assert GuidedContrastiveLoss()(student, guide) == GuidedContrastiveLoss(0.1)(student, guide)
    assert GuidedContrastiveLoss()(student, guide) != GuidedContrastiveLoss(0.2)(student, guide)


def test_a_batch_of_one_has_no_negatives() -> None:
    student, guide = pairs(1, 6, seed=0)
    assert GuidedContrastiveLoss()(student, guide).item() == 0.0


def test_gradient_flows_to_the_student_only() -> None:
    student, guide = pairs(4, 6, seed=3)
    student.requires_grad_()
    guide.requires_grad_()
    GuidedContrastiveLoss()(student, guide).backward()
    assert student.grad is not None
    assert student.grad.abs().sum() > 0
    assert guide.grad is None


def test_a_gradient_step_lowers_the_loss() -> None:
    student, guide = pairs(6, 8, seed=4)
    student.requires_grad_()
    loss = GuidedContrastiveLoss()
    before = loss(student, guide)
    (gradient,) = torch.autograd.grad(before, student)
    assert loss(student - 0.01 * gradient, guide) < before


def test_other_shapes_are_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"\(2, 4\) and guide embeddings \(2, 5\) differ in shape; set guide_dim"):
        GuidedContrastiveLoss()(torch.ones(2, 4), torch.ones(2, 5))


def test_full_precision_under_autocast() -> None:
    student, guide = (x.float() for x in pairs(8, 16, seed=5))
    expected = numpy_loss(student.double().numpy(), guide.double().numpy(), 0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = GuidedContrastiveLoss()(student, guide)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_half_precision_students_are_compared_in_full_precision() -> None:
    student, guide = (x.bfloat16() for x in pairs(8, 16, seed=6))
    loss = GuidedContrastiveLoss()(student, guide)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, GuidedContrastiveLoss()(student.float(), guide.float()))


def test_a_zero_vector_is_no_reason_for_nan() -> None:
    student, guide = pairs(3, 4, seed=7)
    student[1] = 0
    assert torch.isfinite(GuidedContrastiveLoss()(student, guide))


@settings(max_examples=40, deadline=None)
@given(batch=st.integers(1, 12), width=st.integers(1, 9), seed=st.integers(0, 10_000), order=st.randoms())
def test_properties(batch: int, width: int, seed: int, order: object) -> None:
    student, guide = pairs(batch, width, seed)
    loss = GuidedContrastiveLoss(0.1)
    value = loss(student, guide).item()

    permutation = list(range(batch))
    order.shuffle(permutation)  # type: ignore[attr-defined]
    assert loss(student[permutation], guide[permutation]).item() == pytest.approx(value, abs=1e-9)
    # Lengths do not matter, and the loss is the same seen from the guide.
    assert loss(3.5 * student, 0.2 * guide).item() == pytest.approx(value, abs=1e-9)
    assert loss(guide, student).item() == pytest.approx(value, abs=1e-9)
    # Cosines lie in [-1, 1], so logits within +-10 at tau = 0.1.
    assert 0.0 <= value <= math.log1p((batch - 1) * math.exp(20)) + 1e-9
    assert loss(guide, guide).item() <= math.log(batch) + 1e-9
