"""An LSTM over unmasked tokens."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class MaskedLSTM(nn.Module):
    """LSTM (Hochreiter and Schmidhuber 1997) that skips masked tokens.

    Args:
        input_size: Width of a token.
        hidden_size: Width of a state, per direction.
        num_layers: Number of layers.
        bidirectional: Whether a second LSTM reads backwards; states are then twice as wide.
        dropout: Dropout between layers.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            input_size,
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.directions = 2 if bidirectional else 1
        self.output_size = hidden_size * self.directions

    def forward(
        self,
        hidden: torch.Tensor,
        mask: torch.Tensor | None,
        initial: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Read the tokens.

        Args:
            hidden: Token features (B, N, ``input_size``).
            mask: 1 where a token exists (B, N), anywhere in the row, or ``None`` when all do.
            initial: First hidden and cell states, as ``nn.LSTM`` takes them (layers x directions, B, ``hidden_size``);
                zeros when not given.

        Returns:
            States of the last layer (B, N, ``output_size``), zero where no token exists, and its final states
            (B, ``output_size``), those of both directions side by side; zeros for a sample without any token.
        """
        keep = torch.ones(hidden.shape[:2], dtype=torch.bool, device=hidden.device) if mask is None else mask.bool()
        order = keep.int().argsort(dim=1, descending=True, stable=True).unsqueeze(-1)
        # Packing does not allow empty rows: such a sample reads one token, and its states are discarded below.
        lengths = keep.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(
            hidden.gather(1, order.expand_as(hidden)), lengths, batch_first=True, enforce_sorted=False
        )
        packed, (final, _) = self.lstm(packed, initial)
        states, _ = pad_packed_sequence(packed, batch_first=True, total_length=hidden.shape[1])
        states = torch.zeros_like(states).scatter(1, order.expand_as(states), states)
        final = torch.cat(list(final[-self.directions :]), dim=-1)
        return states * keep.unsqueeze(-1), final * keep.any(dim=1, keepdim=True)
