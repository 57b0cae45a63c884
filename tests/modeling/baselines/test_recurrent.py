from __future__ import annotations

import pytest
import torch

from clfa.modeling.baselines.recurrent import MaskedLSTM

from .batches import arrays, close
from .recurrence import lstm


def build(**options: object) -> MaskedLSTM:
    torch.manual_seed(0)
    return MaskedLSTM(4, 3, **options).double().eval()  # type: ignore[arg-type]


def test_states_are_those_of_the_recurrence() -> None:
    reader = build(bidirectional=True)
    assert reader.output_size == 6
    hidden = torch.randn(2, 5, 4, dtype=torch.float64)
    # Holes and padding on both sides: what is masked might as well not be there.
    keep = [[0, 2, 3], [1, 4]]
    mask = torch.zeros(2, 5)
    for row, positions in enumerate(keep):
        mask[row, positions] = 1
    states, final = reader(hidden, mask)
    for row, positions in enumerate(keep):
        x, P = hidden[row, positions].numpy(), arrays(reader)
        forwards, backwards = lstm(x, P, "lstm"), lstm(x, P, "lstm", "_l0_reverse", backwards=True)
        close(states[row, positions, :3].detach(), forwards)
        close(states[row, positions, 3:].detach(), backwards)
        close(final[row, :3].detach(), forwards[-1])
        close(final[row, 3:].detach(), backwards[0])
        rest = [position for position in range(5) if position not in positions]
        assert (states[row, rest] == 0).all()


def test_two_layers() -> None:
    reader = build(num_layers=2)
    hidden = torch.randn(1, 5, 4, dtype=torch.float64)
    states, final = reader(hidden, None)
    expected = lstm(lstm(hidden[0].numpy(), arrays(reader), "lstm"), arrays(reader), "lstm", "_l1")
    close(states[0].detach(), expected)
    close(final[0].detach(), expected[-1])


def test_a_sample_without_tokens_is_zero() -> None:
    states, final = build(bidirectional=True)(torch.randn(2, 3, 4).double(), torch.tensor([[1, 1, 0], [0, 0, 0]]))
    assert (states[1] == 0).all()
    assert (final[1] == 0).all()
    assert (final[0] != 0).all()


def test_dropout_between_layers_only() -> None:
    assert build(dropout=0.5).lstm.dropout == 0
    assert build(dropout=0.5, num_layers=2).lstm.dropout == 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_mixed_precision(dtype: torch.dtype) -> None:
    reader = build(bidirectional=True).float()
    with torch.autocast("cpu", torch.bfloat16):
        _, final = reader(torch.randn(2, 3, 4).to(dtype), torch.tensor([[1, 1, 0], [1, 0, 0]]))
    final.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in reader.parameters() if p.grad is not None)
