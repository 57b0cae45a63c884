from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.errors import RecipeError
from clfa.modeling.alignment import ALIGNMENTS, AlignmentInputs, GuideBank, GuidedContrastiveLoss
from clfa.modeling.alignment.bank import BankContrastiveLoss


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def unit(x: np.ndarray) -> np.ndarray:
    normalised: np.ndarray = x / np.sqrt((x**2).sum(axis=1, keepdims=True))
    return normalised


def numpy_bank_loss(h: np.ndarray, bank: np.ndarray, groups: np.ndarray, index: np.ndarray, tau: float) -> float:
    """Row by row, from the definition."""
    scores = unit(h) @ unit(bank).T / tau
    to_guides = to_students = 0.0
    for row, own in enumerate(index):
        allowed = [n for n in range(len(bank)) if n == own or (groups[n] != groups[own] and groups[n] != -1)]
        to_guides += np.log(np.exp(scores[row, allowed]).sum()) - scores[row, own]
        to_students += np.log(np.exp(scores[:, own]).sum()) - scores[row, own]
    return float((to_guides + to_students) / 2 / len(index))


def bank_of(embeds: torch.Tensor, groups: list[int]) -> GuideBank:
    bank = GuideBank({"text": embeds}, {"text": torch.tensor(groups)})
    # Float64 here, so that the comparison below is not about rounding.
    bank.embeds["text"] = torch.nn.functional.normalize(embeds, dim=-1)
    return bank


def test_bank_loss_equals_the_definition() -> None:
    h, embeds = normal(3, 5), normal(8, 5, seed=1)
    groups, index = [0, 1, 2, 0, -1, 3, 4, 2], torch.tensor([0, 5, 2])
    loss = BankContrastiveLoss(0.2)(h, bank_of(embeds, groups), "text", index)
    expected = numpy_bank_loss(h.numpy(), embeds.numpy(), np.array(groups), index.numpy(), 0.2)
    assert loss.item() == pytest.approx(expected, abs=1e-12)


@given(size=st.integers(1, 9), width=st.integers(1, 6), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_bank_of_just_the_batch_is_the_papers_loss(size: int, width: int, seed: int) -> None:
    h, g = normal(size, width, seed=seed), normal(size, width, seed=seed + 1000)
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    bank = bank_of(g, list(range(size)))
    found = BankContrastiveLoss(0.1)(h[order], bank, "text", order)
    assert found.item() == pytest.approx(GuidedContrastiveLoss(0.1)(h[order], g[order]).item(), abs=1e-9)


def test_reposts_and_absent_contents_are_no_negatives() -> None:
    h, embeds = normal(1, 4), normal(4, 4, seed=2)
    index = torch.tensor([1])
    alone = BankContrastiveLoss()(h, bank_of(embeds, [7, 7, -1, 7]), "text", index)
    assert alone.item() == pytest.approx(0.0, abs=1e-12)
    assert BankContrastiveLoss()(h, bank_of(embeds, [0, 1, 2, 3]), "text", index).item() > 1e-6


def test_bank_loss_names_a_wrong_width() -> None:
    with pytest.raises(ValueError, match="student features are 3 wide and the guide's 5; set guide_dim"):
        BankContrastiveLoss()(normal(2, 3), bank_of(normal(4, 5), [0, 1, 2, 3]), "text", torch.tensor([0, 1]))


def test_a_bank_normalises_in_full_precision_and_moves() -> None:
    bank = GuideBank({"text": torch.tensor([[3.0, 4.0]], dtype=torch.float16)}, {"text": torch.tensor([0])})
    assert bank.embeds["text"].dtype == torch.float32
    torch.testing.assert_close(bank.embeds["text"], torch.tensor([[0.6, 0.8]]))
    assert bank.to(torch.device("cpu")) is bank


STUDENTS = {"text": normal(4, 6, seed=3), "image": normal(4, 6, seed=4)}
GUIDES = {"text": normal(4, 6, seed=5), "image": normal(4, 6, seed=6)}


def test_what_each_variant_pulls_where() -> None:
    loss = GuidedContrastiveLoss(0.1)
    inputs = AlignmentInputs(STUDENTS, GUIDES)
    own = {name: loss(STUDENTS[name], GUIDES[name]) for name in STUDENTS}
    cross = {"text": loss(STUDENTS["text"], GUIDES["image"]), "image": loss(STUDENTS["image"], GUIDES["text"])}
    expected = {
        "guided": own,
        "cross_guided": cross,
        "guided_and_cross": {name: (own[name] + cross[name]) / 2 for name in own},
    }
    for name, losses in expected.items():
        torch.testing.assert_close(ALIGNMENTS.get(name)(0.1)(inputs), losses)
    direct = ALIGNMENTS.get("students")(0.1)(inputs)
    whole = loss(STUDENTS["text"], STUDENTS["image"])
    torch.testing.assert_close(direct["text"] + direct["image"], whole)
    torch.testing.assert_close(ALIGNMENTS.get("both")(0.1)(inputs), own | {"students": whole})


def test_direct_alignment_trains_both_students() -> None:
    students = {name: tensor.clone().requires_grad_() for name, tensor in STUDENTS.items()}
    losses = ALIGNMENTS.get("students")(0.1)(AlignmentInputs(students))
    torch.stack(list(losses.values())).sum().backward()
    # Against one symmetric loss differentiated through both sides.
    free = {name: tensor.clone().requires_grad_() for name, tensor in STUDENTS.items()}
    text, image = (torch.nn.functional.normalize(free[name], dim=-1) for name in ("text", "image"))
    scores, diagonal = text @ image.T / 0.1, torch.arange(4)
    symmetric = torch.nn.functional.cross_entropy(scores, diagonal) + torch.nn.functional.cross_entropy(
        scores.T, diagonal
    )
    (symmetric / 4).backward()
    for name in students:
        torch.testing.assert_close(students[name].grad, free[name].grad)


@pytest.mark.parametrize("name", ALIGNMENTS.names())
def test_samples_that_lack_a_modality_take_no_part(name: str) -> None:
    module = ALIGNMENTS.get(name)(0.1)
    present = {"text": torch.tensor([True, True, False, True]), "image": torch.tensor([True, True, True, True])}
    found = module(AlignmentInputs(STUDENTS, GUIDES, present))
    keep = [0, 1, 3]
    rows = {side: tensor[keep] for side, tensor in STUDENTS.items()}, {side: t[keep] for side, t in GUIDES.items()}
    expected = module(AlignmentInputs(*rows))
    torch.testing.assert_close(found["text"], expected["text"])
    if name in ("cross_guided", "students"):
        torch.testing.assert_close(found["image"], expected["image"])
    if name == "both":
        torch.testing.assert_close(found["students"], expected["students"])
    nobody = {side: torch.zeros(4, dtype=torch.bool) for side in STUDENTS}
    assert all(loss == 0 for loss in _zeroed(module, nobody).values())


def _zeroed(module: torch.nn.Module, nobody: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    losses: dict[str, torch.Tensor] = module(AlignmentInputs(STUDENTS, GUIDES, nobody))
    return losses


@pytest.mark.parametrize("name", ALIGNMENTS.names())
def test_one_modality_has_little_to_align(name: str) -> None:
    alone = AlignmentInputs({"text": STUDENTS["text"]}, {"text": GUIDES["text"]})
    losses = ALIGNMENTS.get(name)(0.1)(alone)
    assert set(losses) == ({"text"} if name in ("guided", "both") else set())


def test_the_bank_is_used_where_there_is_one() -> None:
    bank = GuideBank({name: normal(9, 6, seed=7) for name in GUIDES}, {name: torch.arange(9) for name in GUIDES})
    index = torch.tensor([3, 1, 8, 0])
    module = ALIGNMENTS.get("guided")(0.1)
    found = module(AlignmentInputs(STUDENTS, GUIDES, bank=bank, index=index))
    torch.testing.assert_close(found["text"], BankContrastiveLoss(0.1)(STUDENTS["text"], bank, "text", index))


def test_unknown_variant() -> None:
    with pytest.raises(RecipeError, match=r"unknown alignment 'guidd'.*'guided'"):
        ALIGNMENTS.get("guidd")
