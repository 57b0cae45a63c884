"""The list of replacements that make a model faster on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from torch import nn

from clfa.cpu import (
    batched_attention,
    channels_last,
    dropout,
    encoder_attention,
    folded_conv,
    linear,
    patch_conv,
    unpadded,
)
from clfa.cpu.switch import enabled

ModuleT = TypeVar("ModuleT", bound=nn.Module)

# Each takes one module and replaces a part of it, or does nothing. Applying it twice has the same effect as once.
Lever = Callable[[nn.Module], None]
LAYER_LEVERS: tuple[Lever, ...] = (
    linear.exchange,
    dropout.exchange,
    patch_conv.exchange,
    folded_conv.exchange,
    batched_attention.exchange,
)
# For whole encoders. The order matters: removing the padding requires the attention that comes before it in the list.
ENCODER_LEVERS: tuple[Lever, ...] = (
    encoder_attention.exchange,
    unpadded.exchange,
    channels_last.exchange,
)


def speed_up(module: ModuleT, *, layers_only: bool = False, spared: Iterable[nn.Module] = ()) -> ModuleT:
    """Replace parts of a loaded model, in place, by parts that are faster on a CPU.

    On other devices the new parts do the same as PyTorch's. Results differ only by rounding, and dropout draws other
    random numbers. Weights, their names and saved files do not change. Only plain layers are replaced: a subclass of
    ``torch.nn.Linear`` may compute something else and is not changed. Nothing happens when the switch is off
    (:mod:`clfa.cpu.switch`).

    This package calls it for the models that it loads itself: ``from_pretrained``, ``from_encoders`` with names, runs
    and guides. Encoders that you load and pass in are not changed; call this function on the finished model to make
    them faster.

    Args:
        module: A model, an encoder or any module.
        layers_only: Replace layers only; do not change attention, padding and batches of encoders. Features of frozen
            encoders and embeddings of guides are computed this way, because cached features must not depend on the run
            that computed them.
        spared: Submodules of ``module`` that are not changed, with everything below them.

    Returns:
        The same module.

    Raises:
        CLFAError: When the switch has an unknown value.

    Example:
        >>> speed_up(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1)))
        Sequential(
          (0): Linear(in_features=2, out_features=2, bias=True)
          (1): Dropout(p=0.1, inplace=False)
        )
    """
    if not enabled():
        return module
    levers = LAYER_LEVERS if layers_only else LAYER_LEVERS + ENCODER_LEVERS
    left_alone = {part for root in spared for part in root.modules()}
    for part in module.modules():
        if part not in left_alone:
            for lever in levers:
                lever(part)
    return module
