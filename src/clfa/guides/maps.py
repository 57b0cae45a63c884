"""The maps of a fitted guide, from whitened features to its space, and their fit on pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from clfa.errors import TrainingError
from clfa.modeling.alignment.contrastive import GuidedContrastiveLoss

# Dimensions and numbers of components.
Count = Annotated[int, Field(ge=1, le=65_536)]


@dataclass(frozen=True)
class FittedSettings:
    """How a :class:`clfa.guides.fitted.FittedGuide` is fitted.

    Args:
        dim: Width of the guide's space.
        map: Map of each modality: ``linear``, or ``mlp`` for a linear map plus a layer of hidden units. The second has
            more parameters and needs more pairs.
        hidden_size: Number of hidden units, for ``mlp``.
        text_components: Number of principal components of the pooled text features.
        image_components: Number of principal components of the pooled image features.
        conse: Whether ConSE vectors are a further image input, if the vision encoder is a classifier with class names.
        conse_components: Number of principal components of the ConSE vectors.
        dropout: Dropout on the whitened inputs and on the hidden units.
        epochs: Passes over the pairs.
        batch_size: Pairs per step; the other pairs of the batch are the negatives.
        learning_rate: AdamW's learning rate.
        weight_decay: AdamW's weight decay.
        temperature: Temperature of the contrastive loss.
    """

    dim: Count = 128
    map: Literal["linear", "mlp"] = "linear"
    hidden_size: Count = 512
    text_components: Count = 128
    image_components: Count = 128
    conse: bool = True
    conse_components: Count = 64
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 40
    batch_size: Annotated[int, Field(ge=2, le=1_000_000)] = 256
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 1e-2
    temperature: Annotated[float, Field(ge=1e-4, le=1e4)] = 0.1


@dataclass(frozen=True)
class FeatureMap:
    """A map of one modality: ``x A``, or with hidden units ``[x, gelu(x W + b)] A``.

    Args:
        weight: ``A`` (K, dim), or (K + H, dim) with H hidden units.
        hidden_weight: ``W`` (K, H); ``None`` for a linear map.
        hidden_bias: ``b`` (H,).
    """

    weight: np.ndarray
    hidden_weight: np.ndarray | None = None
    hidden_bias: np.ndarray | None = None

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Map whitened features (N, K) -> (N, dim)."""
        if self.hidden_weight is None or self.hidden_bias is None:
            return features @ self.weight
        hidden = F.gelu(torch.from_numpy(features @ self.hidden_weight + self.hidden_bias)).numpy()
        return np.concatenate([features, hidden], axis=1) @ self.weight

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays by their names in a file, for the map called ``name``."""
        arrays = {
            name: self.weight,
            f"{name}.hidden.weight": self.hidden_weight,
            f"{name}.hidden.bias": self.hidden_bias,
        }
        return {key: array for key, array in arrays.items() if array is not None}

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, np.ndarray]) -> FeatureMap:
        """Return the map from the output of :meth:`arrays`."""
        return cls(arrays[name], arrays.get(f"{name}.hidden.weight"), arrays.get(f"{name}.hidden.bias"))


def fit_maps(
    texts: np.ndarray, images: np.ndarray, settings: FittedSettings, seed: int
) -> tuple[FeatureMap, FeatureMap]:
    """Fit one map per modality with symmetric InfoNCE.

    The features are read batch by batch, so that they may be memory maps.

    Args:
        texts: Whitened text features (N, Kt).
        images: Whitened image features (N, Ki); row i belongs to the same pair as row i of ``texts``.
        settings: Settings of the fit.
        seed: Seed of initialisation, order and dropout.

    Returns:
        Text map and image map.
    """
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.from_numpy(texts), torch.from_numpy(images)
    keep = 1.0 - settings.dropout
    maps = [_TrainedMap(z.shape[1], settings, generator) for z in (x, y)]
    parameters = [parameter for each in maps for parameter in each.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    loss_function = GuidedContrastiveLoss(settings.temperature)

    def dropped(z: torch.Tensor) -> torch.Tensor:
        return z * (torch.rand(z.shape, generator=generator) < keep) / keep

    size = min(settings.batch_size, len(x))
    for epoch in range(settings.epochs):
        order = torch.randperm(len(x), generator=generator)
        for start in range(0, len(x) - size + 1, size):
            batch = order[start : start + size]
            student, teacher = maps[0](dropped(x[batch]), dropped), maps[1](dropped(y[batch]), dropped)
            # The loss detaches its second argument; calling it both ways trains both maps.
            loss = loss_function(student, teacher) + loss_function(teacher, student)
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"the fit of the guide stopped in epoch {epoch + 1}, at pair {start:,}: the loss is {loss.item()}. "
                    f"Lower guide.learning_rate ({settings.learning_rate:g}), or raise guide.temperature "
                    f"({settings.temperature:g})."
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    if not all(torch.isfinite(parameter).all() for parameter in parameters):
        raise TrainingError(
            f"the fit of the guide diverged: its weights are not finite. Lower guide.learning_rate "
            f"({settings.learning_rate:g})."
        )
    return maps[0].fitted(), maps[1].fitted()


class _TrainedMap(nn.Module):
    """A :class:`FeatureMap` in training."""

    def __init__(self, width: int, settings: FittedSettings, generator: torch.Generator) -> None:
        super().__init__()

        def normal(rows: int, columns: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns, generator=generator) * rows**-0.5)

        hidden = settings.hidden_size if settings.map == "mlp" else 0
        self.weight = normal(width + hidden, settings.dim)
        self.hidden = nn.ParameterList([normal(width, hidden), torch.zeros(hidden)] if hidden else [])

    def forward(self, z: torch.Tensor, dropped: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        if len(self.hidden):
            weight, bias = self.hidden
            z = torch.cat([z, dropped(F.gelu(z @ weight + bias))], dim=1)
        return z @ self.weight

    def fitted(self) -> FeatureMap:
        return FeatureMap(*(parameter.detach().numpy() for parameter in self.parameters()))
