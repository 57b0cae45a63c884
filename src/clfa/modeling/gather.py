"""What the processes of one training share: rows of all their batches, with gradient.

Losses over the whole batch are computed alike by every process, from the gathered rows. DistributedDataParallel and
FSDP then average the processes' gradients, so the gradient that reaches a process's own rows is multiplied by the
number of processes: the average is the gradient that one process with the whole batch would have had. Nothing is sent
on the way back, so no process ever waits there for another.

In one process all of this does nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed as dist


def process_count() -> int:
    """How many processes train together; 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class _AllRows(torch.autograd.Function):
    """Rows of all processes, one process after the other."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, sizes: list[int]) -> torch.Tensor:
        ctx.rows = _own(sizes)
        return _all_rows(rows, sizes)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0][ctx.rows] * process_count(), None


def _own(sizes: list[int]) -> slice:
    start = sum(sizes[: dist.get_rank()])
    return slice(start, start + sizes[dist.get_rank()])


def _all_rows(rows: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    # Collectives want equal shapes: shorter batches are padded, and cut again.
    padded = rows.new_zeros((max(sizes), *rows.shape[1:]))
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


def gather_rows(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """The rows of every process's tensors, in the order of the processes.

    Every process has to call it, with as many tensors of the same types and widths, and to compute the same from what
    it gets: see the module.

    Args:
        tensors: Each (n, ...) with the same n, which may differ from process to process and be 0.

    Returns:
        Each (sum of n, ...). Gradients flow into the caller's own rows, times the number of processes.

    Raises:
        ValueError: When the tensors differ in length.
    """
    lengths = {len(tensor) for tensor in tensors}
    if len(lengths) > 1:
        raise ValueError(f"tensors gathered together must have the same length, not {sorted(lengths)}.")
    if process_count() == 1:
        return list(tensors)
    size = torch.tensor([len(tensors[0])], device=tensors[0].device)
    found = [torch.empty_like(size) for _ in range(process_count())]
    dist.all_gather(found, size)
    sizes = [int(other) for other in torch.cat(found).tolist()]
    return [
        _AllRows.apply(tensor, sizes) if tensor.requires_grad else _all_rows(tensor.detach(), sizes)
        for tensor in tensors
    ]


def total(term: torch.Tensor) -> torch.Tensor:
    """Sum over all processes of a term that each computes from its own rows.

    Args:
        term: Any shape, the same in every process.

    Returns:
        The sum; gradients flow into the caller's own term, times the number of processes.
    """
    if process_count() == 1:
        return term
    value = term.detach().clone()
    dist.all_reduce(value)
    scaled = term * process_count()
    return scaled + (value - scaled.detach())


def at_least_float32(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """Half precision made float32, so that every process gathers the same type."""
    return [tensor if tensor.dtype == torch.float64 else tensor.float() for tensor in tensors]
