from __future__ import annotations

import torch

from clfa.cpu.token_layout import TokenLayout

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0]])


def test_layout_there_and_back() -> None:
    layout = TokenLayout.of(MASK)
    assert layout.places.tolist() == [0, 1, 2, 3, 4, 5, 6, 10, 15, 16, 17]
    rows = torch.arange(22.0).view(11, 2).requires_grad_()
    padded = layout.spread(rows)
    assert padded[1].tolist() == [[10, 11], [12, 13], [0, 0], [0, 0], [0, 0]]
    assert torch.equal(layout.collect(padded), rows)
    (layout.collect(padded) * torch.arange(11.0)[:, None]).sum().backward()
    assert torch.equal(rows.grad, torch.arange(11.0)[:, None].expand(11, 2))
    double = torch.randn(11, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layout.spread, [double])
    assert torch.autograd.gradcheck(layout.collect, [torch.randn(4, 5, 2, dtype=torch.float64, requires_grad=True)])
