"""Gradient clipping within the pass over the gradients that the optimiser makes anyway."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from clfa.cpu.switch import enabled

# Trained numbers (64 MB of gradients) from which on gradients come from memory and not from caches. Results of smaller
# models, heads on frozen encoders among them, stay those of PyTorch's clipping to the last digit.
_LARGE_MODEL = 2**24
# Rows that a large gradient is cut into, and numbers from which on it is large.
_ROWS, _WORTHWHILE = 8, 2**16


def takes_scale(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimiser can divide the gradients itself, as PyTorch's fused AdamW can."""
    return type(optimizer) is torch.optim.AdamW and all(group["fused"] for group in optimizer.param_groups)


def folding_pays(parameters: Iterable[nn.Parameter]) -> bool:
    """Whether a model is so large that a pass over its gradients takes time.

    Args:
        parameters: Of the model.
    """
    return sum(parameter.numel() for parameter in parameters if parameter.requires_grad) >= _LARGE_MODEL


def total_norm(gradients: Sequence[torch.Tensor]) -> torch.Tensor:
    """Euclidean norm of all of them together, as ``torch.nn.utils.get_total_norm``, in half its time on two cores.

    PyTorch takes the norm of a whole tensor on one core of a CPU, and norms of rows on all of them.

    Args:
        gradients: Of any shape, at least one.

    Returns:
        A scalar.
    """
    norms = []
    for gradient in gradients:
        rows = gradient.numel() >= _WORTHWHILE and gradient.is_contiguous() and not gradient.numel() % _ROWS
        norms.append(
            torch.linalg.vector_norm(gradient.view(_ROWS, -1), dim=1)
            if rows
            else torch.linalg.vector_norm(gradient).view(1)
        )
    return torch.linalg.vector_norm(torch.cat(norms))


def clip_within_step(
    optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter], max_norm: float
) -> torch.Tensor:
    """As ``torch.nn.utils.clip_grad_norm_``, but the gradients are scaled by the optimiser's next step.

    One pass less over memory (``python -m benchmarks levers`` has what it is worth for BERT and ViT). Whoever steps
    without clipping afterwards has to set ``optimizer.grad_scale`` to ``None`` before.

    Args:
        optimizer: One that :func:`takes_scale`.
        parameters: Whose gradients to clip; those without are left out.
        max_norm: Euclidean norm of all of them that is not exceeded.

    Returns:
        The norm before clipping, a scalar.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = total_norm(gradients)
    scaling: Any = optimizer
    scaling.grad_scale = ((norm + 1e-6) / max_norm).clamp(min=1.0)
    return norm


def clip_gradients(
    optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter], max_norm: float
) -> torch.Tensor | None:
    """:func:`clip_within_step` where it can be done and pays, on a CPU; nothing elsewhere.

    Args:
        optimizer: That steps next.
        parameters: On a CPU; whose gradients to clip.
        max_norm: See :func:`clip_within_step`.

    Returns:
        The norm before clipping, a scalar; ``None`` when nothing was done and the caller has to clip by itself.
    """
    parameters = list(parameters)
    if enabled() and takes_scale(optimizer) and folding_pays(parameters):
        return clip_within_step(optimizer, parameters, max_norm)
    return None
