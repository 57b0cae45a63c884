from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.errors import RecipeError
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.pooling import POOLINGS, masked_mean
from clfa.recipe import load_recipe
from clfa.runs.names import check_names


def test_a_configuration_names_one_that_exists() -> None:
    assert [
        CLFAConfig(text_config={"model_type": "bert"}, pooling=name).pooling for name in ("mean", "cls", "max")
    ] == [*POOLINGS.names()]
    with pytest.raises(RecipeError, match="unknown pooling 'median'; known: mean, cls, max"):
        check_names(load_recipe("offline", ["model.pooling=median"]))


def test_masked_mean_by_hand() -> None:
    hidden = torch.tensor([[[1.0, 10.0], [3.0, 20.0], [100.0, 100.0]]])
    assert masked_mean(hidden, torch.tensor([[1, 1, 0]])).tolist() == [[2.0, 15.0]]
    assert masked_mean(hidden, torch.tensor([[True, False, False]])).tolist() == [[1.0, 10.0]]
    assert masked_mean(hidden[:, :2], None).tolist() == [[2.0, 15.0]]


def test_mean_of_no_token_is_zero() -> None:
    assert masked_mean(torch.ones(1, 3, 2), torch.zeros(1, 3)).tolist() == [[0.0, 0.0]]


def test_max_by_hand_padding_never_wins() -> None:
    hidden = torch.tensor([[[-1.0, -5.0], [-3.0, -2.0], [100.0, 100.0]]])
    pooling = POOLINGS.get("max")(2)
    assert pooling(hidden, torch.tensor([[1, 1, 0]])).tolist() == [[-1.0, -2.0]]
    assert pooling(hidden, None).tolist() == [[100.0, 100.0]]


def test_cls_is_the_first_token_through_a_tanh_layer() -> None:
    torch.manual_seed(0)
    pooling = POOLINGS.get("cls")(4)
    hidden = torch.randn(2, 3, 4)
    expected = torch.tanh(hidden[:, 0] @ pooling.dense.weight.T + pooling.dense.bias)
    torch.testing.assert_close(pooling(hidden, torch.ones(2, 3)), expected)


@settings(max_examples=60, deadline=None)
@given(
    mask=st.lists(st.lists(st.booleans(), min_size=5, max_size=5).filter(any), min_size=1, max_size=4),
    appended=st.integers(0, 4),
    seed=st.integers(0, 10_000),
    name=st.sampled_from(sorted(POOLINGS.names())),
)
def test_pooling_reads_the_tokens_that_exist(mask: list[list[bool]], appended: int, seed: int, name: str) -> None:
    torch.manual_seed(seed)
    hidden, keep = torch.randn(len(mask), 5, 3, dtype=torch.float64), torch.tensor(mask)
    pooling = POOLINGS.get(name)(3).double()
    pooled = pooling(hidden, keep)
    for row, kept, vector in zip(hidden, keep, pooled, strict=True):
        if name == "mean":
            torch.testing.assert_close(vector, row[kept].mean(0), rtol=0, atol=1e-12)
        elif name == "max":
            assert torch.equal(vector, row[kept].amax(0))

    padded = torch.cat([hidden, 1e9 * torch.randn(len(mask), appended, 3, dtype=torch.float64)], dim=1)
    longer = torch.cat([keep, torch.zeros(len(mask), appended, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(pooling(padded, longer), pooled, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", sorted(POOLINGS.names()))
def test_half_precision_stays_finite(name: str) -> None:
    hidden = torch.randn(2, 3, 4).bfloat16()
    pooled = POOLINGS.get(name)(4).bfloat16()(hidden, torch.tensor([[1, 0, 0], [1, 1, 1]]))
    assert pooled.dtype == torch.bfloat16
    assert torch.isfinite(pooled).all()
