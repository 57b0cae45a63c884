from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.modeling.fusion import Stream
from clfa.modeling.readout import Student
from clfa.modeling.readout.agreement import agreement, complete, token_agreement, unit

from .reference import best_matches


def test_unit_vectors_are_float32_at_least() -> None:
    torch.testing.assert_close(unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    assert unit(torch.ones(1, 2, dtype=torch.bfloat16)).dtype == torch.float32
    assert unit(torch.ones(1, 2, dtype=torch.float64)).dtype == torch.float64


def test_agreement_is_the_cosine() -> None:
    text = Student(torch.tensor([[2.0, 0.0], [1.0, 1.0], [0.0, 3.0]]))
    image = Student(torch.tensor([[-1.0, 0.0], [1.0, 0.0], [4.0, 3.0]]))
    assert agreement(text, image).tolist() == pytest.approx([-1.0, 1 / sqrt(2), 0.6])


def test_agreement_of_a_missing_modality_is_nan() -> None:
    vectors = torch.eye(4)
    text = Student(vectors, present=torch.tensor([True, False, True, False]))
    image = Student(vectors, present=torch.tensor([True, True, False, False]))
    assert complete(text, image).tolist() == [True, False, False, False]
    assert torch.isnan(agreement(text, image)).tolist() == [False, True, True, True]
    assert agreement(text, image)[0] == 1
    assert complete(Student(vectors), Student(vectors)) is None


def test_token_agreement_of_fixed_tokens() -> None:
    text = Stream(torch.tensor([[[2.0, 0.0], [0.0, 1.0]]]))
    image = Stream(torch.tensor([[[3.0, 4.0], [0.0, -1.0], [1.0, 0.0]]]))
    # The text's best cosines are 1 and 0.8; the image's 0.8, 0 (to the first token) and 1.
    assert token_agreement(text, image)[0].tolist() == pytest.approx([0.9, 0.6])
    only_first = token_agreement(text._replace(mask=torch.tensor([[1, 0]])), image)
    # The image's best cosines to the one text token: 0.6, 0 and 1.
    assert only_first[0].tolist() == pytest.approx([1.0, 1.6 / 3])
    no_last = token_agreement(text, image._replace(mask=torch.tensor([[True, True, False]])))
    assert no_last[0].tolist() == pytest.approx([(0.6 + 0.8) / 2, (0.8 + 0.0) / 2])


def test_tokens_that_all_point_away_are_not_replaced_by_padding() -> None:
    text = Stream(torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]), torch.tensor([[1, 0]]))
    image = Stream(torch.tensor([[[-1.0, 1.0], [5.0, 0.0]]]), torch.tensor([[1, 0]]))
    assert token_agreement(text, image)[0].tolist() == pytest.approx([-1 / sqrt(2)] * 2)


@given(st.integers(0, 2**31), st.integers(1, 5), st.integers(1, 6), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_token_agreement_against_numpy(seed: int, t: int, p: int, padding: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(2, t + padding, 4, generator=generator, dtype=torch.float64)
    image = torch.randn(2, p + padding, 4, generator=generator, dtype=torch.float64)
    masks = [torch.tensor([[1] * n + [0] * padding, [1] * (n + padding)]) for n in (t, p)]
    found = token_agreement(Stream(text, masks[0]), Stream(image, masks[1])).numpy()
    a, b = text.numpy(), image.numpy()
    expected = [
        [best_matches(a[0, :t], b[0, :p]), best_matches(b[0, :p], a[0, :t])],
        [best_matches(a[1], b[1]), best_matches(b[1], a[1])],
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    # The order of tokens does not matter, and what stands at padding neither.
    order = torch.randperm(t + padding, generator=generator)
    spoiled = text.masked_fill(~masks[0].bool()[..., None], 7.0)
    again = token_agreement(Stream(spoiled[:, order], masks[0][:, order]), Stream(image, masks[1])).numpy()
    np.testing.assert_allclose(again, expected, atol=1e-12)
