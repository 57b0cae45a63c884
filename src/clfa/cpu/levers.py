"""The list of what is exchanged in a model to make it faster on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from torch import nn

from clfa.cpu import batched_attention, channels_last, dropout, encoder_attention, linear, patch_conv, unpadded
from clfa.cpu.switch import enabled

ModuleT = TypeVar("ModuleT", bound=nn.Module)

# Each takes one module and exchanges something of it, or leaves it alone. Applied twice it does no more than once.
Lever = Callable[[nn.Module], None]
LAYER_LEVERS: tuple[Lever, ...] = (
    linear.exchange,
    dropout.exchange,
    patch_conv.exchange,
    batched_attention.exchange,
)
# Of whole encoders, and in this order: without padding an encoder needs the attention before it in the list.
ENCODER_LEVERS: tuple[Lever, ...] = (
    encoder_attention.exchange,
    unpadded.exchange,
    channels_last.exchange,
)


def speed_up(module: ModuleT, *, layers_only: bool = False, spared: Iterable[nn.Module] = ()) -> ModuleT:
    """Exchange parts of a loaded model for faster ones on a CPU, in place; elsewhere they do what PyTorch's do.

    Results differ in rounding alone, and dropout draws other random numbers. Weights, their names and what is saved
    stay as they are. Only plain layers are exchanged: a subclass of ``torch.nn.Linear`` is left alone, as it does
    something else. Nothing happens when the switch is off (:mod:`clfa.cpu.switch`).

    This package calls it for the models that it loads itself: ``from_pretrained``, ``from_encoders`` with names, runs,
    guides. Encoders that you load and pass in stay as they are; call it on the finished model if you want them faster.

    Args:
        module: A model, an encoder or any module.
        layers_only: Leave attention, padding and batches of encoders alone. Features of frozen encoders and embeddings
            of guides are computed so; they are kept in caches by content and must not depend on who computed them.
        spared: Modules below ``module`` that stay as they are, with all that is below them.

    Returns:
        The same module.

    Raises:
        CLFAError: When the switch is set to something unknown.

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
