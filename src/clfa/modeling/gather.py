"""Gathering of rows from all processes of a distributed training, with gradients.

Every process computes the same loss over the whole batch, from the gathered rows. DistributedDataParallel and FSDP then
average the gradients of the processes. Therefore the gradient of a process's own rows is multiplied by the number of
processes: the average is then the gradient that a single process with the whole batch would have. The backward pass
sends nothing, so that no process waits for another.

With a single process, tensors are returned unchanged.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed as dist


def process_count() -> int:
    """Return the number of processes that train together; 1 without a process group."""
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
    # Collectives need equal shapes: shorter batches are padded, and the padding is removed afterwards.
    padded = rows.new_zeros((max(sizes), *rows.shape[1:]))
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


def gather_rows(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """Gather the rows of every process's tensors, in the order of the processes.

    Every process must call it with the same number of tensors, of the same dtypes and widths, and must compute the same
    from the result; see the module's description.

    Args:
        tensors: Each (n, ...) with the same n. n may differ between processes and may be 0.

    Returns:
        Each (sum of n, ...). Gradients flow into the caller's own rows, multiplied by the number of processes.

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
    """Sum a term over all processes; each process computes it from its own rows.

    Args:
        term: Any shape, the same in every process.

    Returns:
        The sum. Gradients flow into the caller's own term, multiplied by the number of processes.
    """
    if process_count() == 1:
        return term
    value = term.detach().clone()
    dist.all_reduce(value)
    scaled = term * process_count()
    return scaled + (value - scaled.detach())


def at_least_float32(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """Convert half precision to float32, so that every process gathers the same dtype."""
    return [tensor if tensor.dtype == torch.float64 else tensor.float() for tensor in tensors]
