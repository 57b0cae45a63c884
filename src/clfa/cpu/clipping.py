"""Gradient clipping as part of the optimiser's step, which saves one pass over the gradients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from clfa.cpu.switch import enabled

# Number of trained parameters (64 MB of gradients) from which gradients no longer fit into the processor's caches.
# Smaller models, such as heads on frozen encoders, use PyTorch's clipping and keep its results to the last digit.
_LARGE_MODEL = 2**24
# Number of rows that a large gradient is split into, and the number of elements from which a gradient is large.
_ROWS, _WORTHWHILE = 8, 2**16


def takes_scale(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether an optimiser can scale the gradients itself, as PyTorch's fused AdamW can."""
    return type(optimizer) is torch.optim.AdamW and all(group["fused"] for group in optimizer.param_groups)


def folding_pays(parameters: Iterable[nn.Parameter]) -> bool:
    """Return whether a model is so large that saving a pass over its gradients is worthwhile.

    Args:
        parameters: The model's parameters.
    """
    return sum(parameter.numel() for parameter in parameters if parameter.requires_grad) >= _LARGE_MODEL


def total_norm(gradients: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the Euclidean norm of all gradients together, as ``torch.nn.utils.get_total_norm`` does.

    It takes half the time on two cores: PyTorch computes the norm of a whole tensor on one core of a CPU, but the norms
    of rows on all cores.

    Args:
        gradients: At least one, of any shape.

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
    """Clip gradients as ``torch.nn.utils.clip_grad_norm_`` does, but let the optimiser's next step scale them.

    This saves one pass over the gradients in memory (``python -m benchmarks levers`` measures the gain for BERT and
    ViT). Before a later step without clipping, set ``optimizer.grad_scale`` to ``None``.

    Args:
        optimizer: An optimiser for which :func:`takes_scale` is true.
        parameters: Parameters whose gradients to clip; parameters without a gradient are skipped.
        max_norm: Largest Euclidean norm of all gradients together.

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
    """Call :func:`clip_within_step` if the optimiser supports it and the model is large; otherwise do nothing.

    Args:
        optimizer: The optimiser that makes the next step.
        parameters: Parameters on a CPU whose gradients to clip.
        max_norm: See :func:`clip_within_step`.

    Returns:
        The norm before clipping, a scalar; ``None`` if nothing was done and the caller has to clip.
    """
    parameters = list(parameters)
    if enabled() and takes_scale(optimizer) and folding_pays(parameters):
        return clip_within_step(optimizer, parameters, max_norm)
    return None
