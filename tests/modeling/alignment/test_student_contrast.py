from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.modeling.alignment import ALIGNMENTS, AlignmentInputs, GuidedContrastiveLoss
from clfa.modeling.alignment.student_contrast import StudentContrastiveLoss, student_pairs

NOBODY = torch.zeros(4, dtype=torch.bool)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def numpy_loss(text: np.ndarray, image: np.ndarray, contents: list[tuple[int, int]], tau: float) -> float:
    """Sample by sample, in both directions, over the negatives that share neither text nor image."""
    if not len(text):
        return 0.0
    terms = []
    for first, second in ((text, image), (image, text)):
        for n in range(len(first)):
            scores = {}
            for m in range(len(second)):
                texts, images = (contents[n][side] == contents[m][side] >= 0 for side in (0, 1))
                if n == m or not (texts or images):
                    lengths = np.linalg.norm(first[n]) * np.linalg.norm(second[m])
                    scores[m] = math.exp(first[n] @ second[m] / lengths / tau)
            terms.append(-math.log(scores[n] / sum(scores.values())))
    return float(np.mean(terms))


CONTENTS = st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), max_size=9)


@given(contents=CONTENTS, width=st.integers(1, 6), seed=st.integers(0, 99), tau=st.sampled_from([0.07, 0.1, 1.0]))
@settings(max_examples=60, deadline=None)
def test_equals_the_definition(contents: list[tuple[int, int]], width: int, seed: int, tau: float) -> None:
    text, image = normal(len(contents), width, seed=seed), normal(len(contents), width, seed=seed + 1000)
    numbers = torch.tensor(contents, dtype=torch.long).reshape(-1, 2)
    found = StudentContrastiveLoss(tau)(text, image, numbers)
    assert found.item() == pytest.approx(numpy_loss(text.numpy(), image.numpy(), contents, tau), abs=1e-9)
    # Which of the two is called text does not matter.
    assert StudentContrastiveLoss(tau)(image, text, numbers).item() == pytest.approx(found.item(), abs=1e-9)


def test_three_samples_by_hand() -> None:
    # exp(1 / tau) = 3: each sample's own entry counts 3, every other one 1.
    loss, same = StudentContrastiveLoss(1 / math.log(3)), torch.eye(3, dtype=torch.float64)
    assert loss(same, same).item() == pytest.approx(math.log(5 / 3))
    # The first two have the same image: each has one negative left, the third has two.
    contents = torch.tensor([[0, 7], [1, 7], [2, 8]])
    assert loss(same, same, contents).item() == pytest.approx((2 * math.log(4 / 3) + math.log(5 / 3)) / 3)
    # The second and third have the same text, too: the second has no negative left.
    contents = torch.tensor([[0, 7], [1, 7], [1, 8]])
    assert loss(same, same, contents).item() == pytest.approx(2 * math.log(4 / 3) / 3)
    # A number of a text says nothing about images; missing contents are not equal.
    contents = torch.tensor([[0, 1], [1, -1], [2, -1]])
    assert loss(same, same, contents).item() == pytest.approx(math.log(5 / 3))


def test_without_equal_contents_it_is_the_guided_loss() -> None:
    text, image = normal(5, 4), normal(5, 4, seed=1)
    plain = GuidedContrastiveLoss(0.1)(text, image)
    assert torch.equal(StudentContrastiveLoss(0.1)(text, image), plain)
    assert torch.equal(StudentContrastiveLoss(0.1)(text, image, torch.arange(10).reshape(5, 2)), plain)


def test_gradients_flow_into_both_and_are_finite_where_all_are_equal() -> None:
    for contents in (torch.tensor([[0, 0], [1, 1], [2, 1]]), torch.zeros(3, 2, dtype=torch.long)):
        text, image = normal(3, 4).requires_grad_(), normal(3, 4, seed=1).requires_grad_()
        StudentContrastiveLoss(0.1)(text, image, contents).backward()
        for student in (text, image):
            assert student.grad is not None
            assert torch.isfinite(student.grad).all()
            assert bool(student.grad.any()) == bool(contents.any())


def test_nobody_gives_zero() -> None:
    empty = torch.zeros(0, 4, requires_grad=True)
    loss = StudentContrastiveLoss(0.1)(empty, empty, torch.zeros(0, 2, dtype=torch.long))
    assert loss.item() == 0
    loss.backward()
    assert StudentContrastiveLoss(0.1)(normal(1, 4), normal(1, 4, seed=1)).item() == 0


def test_full_precision_under_autocast() -> None:
    text, image = normal(6, 8).float(), normal(6, 8, seed=1).float()
    expected = numpy_loss(text.double().numpy(), image.double().numpy(), [(n, n) for n in range(6)], 0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = StudentContrastiveLoss(0.1)(text, image)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert StudentContrastiveLoss(0.1)(text.bfloat16(), image.bfloat16()).dtype == torch.float32


def test_who_takes_part() -> None:
    students = {"text": normal(4, 3), "image": normal(4, 3, seed=1)}
    present = {"image": torch.tensor([True, False, True, True])}
    rows, contents = torch.tensor([True, True, False, True]), torch.arange(8).reshape(4, 2)
    found = student_pairs(AlignmentInputs(students, present=present, student_rows=rows, contents=contents))
    assert found is not None
    assert torch.equal(found[0], students["text"][[0, 3]])
    assert torch.equal(found[1], students["image"][[0, 3]])
    assert found[2] is not None
    assert found[2].tolist() == [[0, 1], [6, 7]]
    assert student_pairs(AlignmentInputs({"text": students["text"]})) is None
    everybody = student_pairs(AlignmentInputs(students))
    assert everybody is not None
    assert everybody[0] is students["text"]
    assert everybody[2] is None


@pytest.mark.parametrize("name", ["students", "both"])
def test_conditions_and_masks_of_the_alignments(name: str) -> None:
    students = {"text": normal(4, 6, seed=3), "image": normal(4, 6, seed=4)}
    guides = {"text": normal(4, 6, seed=5), "image": normal(4, 6, seed=6)}
    rows = torch.tensor([True, False, True, True])
    contents = torch.tensor([[0, 0], [1, 1], [2, 0], [3, 3]])
    losses = ALIGNMENTS.get(name)(0.1)(AlignmentInputs(students, guides, {}, None, None, rows, contents))
    kept = [0, 2, 3]
    expected = numpy_loss(
        students["text"][kept].numpy(), students["image"][kept].numpy(), [(0, 0), (2, 0), (3, 3)], 0.1
    )
    own = losses["students"] if name == "both" else losses["text"] + losses["image"]
    assert own.item() == pytest.approx(expected, abs=1e-12)
    nobody = ALIGNMENTS.get(name)(0.1)(AlignmentInputs(students, guides, {}, None, None, NOBODY, contents))
    assert (nobody["students"] if name == "both" else nobody["text"] + nobody["image"]).item() == 0
    if name == "both":
        guided = ALIGNMENTS.get("guided")(0.1)(AlignmentInputs(students, guides))
        # The condition and the contents do not concern the guided loss.
        assert {side: losses[side].item() for side in guided} == {side: loss.item() for side, loss in guided.items()}
