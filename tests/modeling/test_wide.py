from __future__ import annotations

import torch

from clfa.modeling.wide import WideBranch


def make_branch(num_terms: int = 0) -> WideBranch:
    branch = WideBranch(2, {"text": 2, "image": 1}, num_terms)
    branch.bias += torch.tensor([1.0, -1.0])
    branch.text_mean += torch.tensor([1.0, 1.0])
    branch.text_weight += torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    branch.image_weight += torch.tensor([[10.0, 0.0]])
    return branch


TEXT = torch.tensor([[[2.0, 3.0], [4.0, 5.0]], [[3.0, 1.0], [9.0, 9.0]]])
MASK = torch.tensor([[1, 1], [1, 0]])
IMAGE = torch.tensor([[[1.0]], [[2.0]]])


def test_pooled_tokens_are_centred_and_mapped() -> None:
    found = make_branch()({"text_features": TEXT, "attention_mask": MASK, "image_features": IMAGE}, {})
    # Means (3, 4) and (3, 1), less 1: (2, 3) and (2, 0).
    assert found.tolist() == [[1 + 2 + 10, -1 + 6], [1 + 2 + 20, -1]]


def test_a_missing_modality_adds_nothing() -> None:
    encoded = {"text_features": TEXT, "attention_mask": MASK, "image_features": IMAGE}
    present = {"text": torch.tensor([False, True]), "image": torch.tensor([True, False])}
    assert make_branch()(encoded, present).tolist() == [[1 + 10, -1], [1 + 2, -1]]
    nothing = make_branch()({"text_features": None, "image_features": IMAGE}, {})
    assert nothing.tolist() == [[11, -1], [21, -1]]


def test_terms_are_weighted_and_padding_adds_nothing() -> None:
    branch = make_branch(num_terms=3)
    branch.terms_weight += torch.tensor([[5.0, 5.0], [1.0, 0.0], [0.0, 1.0]])
    ids, weights = torch.tensor([[1, 2], [2, 0]]), torch.tensor([[0.5, 2.0], [3.0, 0.0]])
    assert (branch({}, {}, ids, weights) - branch.bias).tolist() == [[0.5, 2.0], [0.0, 3.0]]
    assert branch({}, {}).tolist() == [1, -1]
