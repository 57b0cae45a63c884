"""Detection of a training that diverged: a loss, gradient, output or weight that is not a finite number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from clfa.errors import TrainingError
from clfa.pretrained import is_finite

# Samples in a message.
_NAMED = 32


def diverged(
    what: str, step: int, samples: Sequence[str], learning_rate: float, parts: Mapping[str, float] | None = None
) -> TrainingError:
    """Return the error of a training that diverged.

    Args:
        what: What is not finite, for instance ``"the loss is nan"``.
        step: Number of the optimiser step, from 1.
        samples: Ids of the samples concerned; empty if they are not known.
        learning_rate: The learning rate that was set.
        parts: Parts of the loss by name.
    """
    detail = f" ({', '.join(f'{name} {value:.3g}' for name, value in parts.items())})" if parts else ""
    named = ", ".join(repr(sample) for sample in samples[:_NAMED])
    more = f" and {len(samples) - _NAMED:,} more" if len(samples) > _NAMED else ""
    concerned = f" Samples: {named}{more}." if samples else ""
    return TrainingError(
        f"training stopped at step {step}: {what}{detail}.{concerned} Lower the learning rate ({learning_rate:g}), or "
        "look at these samples. No model was saved."
    )


def not_finite(logits: torch.Tensor | None) -> list[int]:
    """Return the rows of a batch whose outputs are not finite.

    Args:
        logits: (B, outputs).
    """
    if logits is None:
        return []
    rows = ~torch.isfinite(logits.detach().reshape(len(logits), -1)).all(dim=1)
    return rows.nonzero().flatten().tolist()


def first_not_finite(module: nn.Module) -> str | None:
    """Return the name of the first parameter with a value that is not finite; ``None`` if there is none."""
    trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    return next((name for name, parameter in trained.items() if not is_finite(parameter)), None)


def sample_names(dataset: Any, index: torch.Tensor | None, rows: Sequence[int] = ()) -> list[str]:
    """Return the ids of the samples of a batch; empty if they are not known.

    Args:
        dataset: The training set; with ``split["id"]`` the samples have ids, otherwise they are numbered from 0.
        index: Positions of the batch's samples in it.
        rows: Rows of the batch; all if empty.
    """
    if index is None:
        return []
    positions = index.tolist()
    chosen = [positions[row] for row in rows] if rows else positions
    split = getattr(dataset, "split", None)
    if split is None or "id" not in getattr(split, "column_names", ()):
        return [str(position) for position in chosen]
    return [str(split[position]["id"]) if split[position]["id"] else str(position) for position in chosen]
