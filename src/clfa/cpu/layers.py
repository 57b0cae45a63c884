"""Layers of loaded encoders exchanged for this package's faster ones."""

from __future__ import annotations

from torch import nn

from clfa.cpu.dropout import Dropout
from clfa.cpu.linear import Linear
from clfa.cpu.patch_conv import PatchConv2d

_FASTER: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: Linear, nn.Dropout: Dropout, nn.Conv2d: PatchConv2d}


def use_fast_layers(module: nn.Module) -> None:
    """Make every plain linear, dropout and convolution layer below ``module`` one of this package's.

    Parameters stay as they are.

    Args:
        module: A model. Subclasses of the plain layers are left alone, as they do something else.

    Example:
        >>> layers = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1))
        >>> use_fast_layers(layers)
        >>> layers
        Sequential(
          (0): Linear(in_features=2, out_features=2, bias=True)
          (1): Dropout(p=0.1, inplace=False)
        )
    """
    for layer in module.modules():
        # The class alone, so that parameters, hooks and names are those the layer had.
        if (faster := _FASTER.get(type(layer))) is not None:
            layer.__class__ = faster
