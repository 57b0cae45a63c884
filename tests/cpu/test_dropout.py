from __future__ import annotations

import pytest
import torch
from torch import nn

from clfa.cpu.dropout import Dropout, exchange


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_share_and_scale(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    found = Dropout(p)(torch.ones(400_001, dtype=dtype)).double()
    kept = found[found != 0]
    assert torch.unique(kept).numel() == 1
    assert kept[0].item() == pytest.approx(1 / (1 - p), rel=1e-2 if dtype == torch.bfloat16 else 1e-4)
    # Five standard errors.
    assert (found == 0).double().mean().item() == pytest.approx(p, abs=5 * (p * (1 - p) / 400_001) ** 0.5)


def test_neighbours_are_independent() -> None:
    torch.manual_seed(1)
    kept = (Dropout(0.5)(torch.ones(400_000)) != 0).double()
    for lag in (1, 2, 3, 4, 5, 64):
        correlation = torch.corrcoef(torch.stack([kept[:-lag], kept[lag:]]))[0, 1].item()
        assert abs(correlation) < 0.01, lag


def test_gradient_passes_where_the_value_does() -> None:
    torch.manual_seed(2)
    x = torch.randn(50, 7, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), y.detach())
    assert (x.grad == 0).any()


def test_seeded() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(Dropout(0.4)(torch.ones(33)))
    assert torch.equal(*found)
    assert not torch.equal(found[0], Dropout(0.4)(torch.ones(33)))


def test_off_in_evaluation_at_zero_and_on_nothing() -> None:
    x = torch.randn(5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert not Dropout(1.0)(x).any()
    assert Dropout(0.5)(torch.empty(0, 3)).shape == (0, 3)


def test_exchange_keeps_the_probability_and_spares_other_kinds() -> None:
    plain, channels = nn.Dropout(0.3), nn.Dropout2d(0.3)
    exchange(plain)
    exchange(channels)
    assert (type(plain), plain.p, type(channels)) == (Dropout, 0.3, nn.Dropout2d)
