"""The least that a step can take: its operations over the measured matrix rate, its bytes over the bandwidth.

Counted are matrix products of tokens that exist; padding, normalisation, softmax, dropout and everything elementwise
come on top and are part of the gap. A multiplication and an addition are two operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# A backward pass multiplies twice for each product of the forward pass: for the inputs' and the weights' gradients.
TRAINING_PASSES = 3
# AdamW reads weight, gradient and two moments, and writes weight and two moments, in fp32.
OPTIMISER_BYTES = 7 * 4


@dataclass(frozen=True)
class Shape:
    """Sizes that decide on the number of operations; the defaults are the paper's.

    Args:
        text_layers: Layers of the text encoder, of width ``text_width`` and inner width ``text_inner``.
        image_layers: The same of a vision transformer; 0 for an encoder that is not one (count it elsewhere).
        image_tokens: Tokens of a picture, [CLS] included.
        patch_values: Numbers in one patch.
        projection: Inner width of the projections.
        width: Shared width, of the fusion.
        fusion_layers: Layers of the fusion, of inner width ``fusion_inner``.
        classes: Outputs.
    """

    text_layers: int = 12
    text_width: int = 768
    text_inner: int = 3072
    image_layers: int = 12
    image_width: int = 768
    image_inner: int = 3072
    image_tokens: int = 50
    patch_values: int = 3 * 32 * 32
    projection: int = 1536
    width: int = 512
    fusion_layers: int = 3
    fusion_inner: int = 2048
    classes: int = 2


def linear(tokens: float, inputs: int, outputs: int) -> float:
    """Operations of a linear layer."""
    return 2 * tokens * inputs * outputs


def attention(queries: float, keys: float, width: int) -> float:
    """Operations of the scores and of the weighted sum, all heads together."""
    return 2 * 2 * queries * keys * width


def encoder(tokens: float, layers: int, width: int, inner: int) -> float:
    """Operations of transformer layers over one sample: four projections, attention, feed-forward."""
    layer = 4 * linear(tokens, width, width) + attention(tokens, tokens, width) + 2 * linear(tokens, width, inner)
    return layers * layer


def forward_operations(shape: Shape, lengths: Sequence[int], cached: bool = False) -> float:
    """Operations of one forward pass over a batch.

    Args:
        shape: The model.
        lengths: Text tokens of each sample, without padding.
        cached: Whether features are read and no encoder runs.
    """
    s, total = shape, 0.0
    for tokens in lengths:
        if not cached:
            total += encoder(tokens, s.text_layers, s.text_width, s.text_inner)
            if s.image_layers:
                total += linear(s.image_tokens - 1, s.patch_values, s.image_width)
                total += encoder(s.image_tokens, s.image_layers, s.image_width, s.image_inner)
        for count, width in ((tokens, s.text_width), (s.image_tokens, s.image_width)):
            total += linear(count, width, s.projection) + linear(count, s.projection, s.width)
        layer = 4 * linear(tokens, s.width, s.width) + attention(tokens, tokens, s.width)
        layer += 2 * linear(tokens, s.width, s.width) + 2 * linear(s.image_tokens, s.width, s.width)
        layer += attention(tokens, s.image_tokens, s.width)
        layer += 2 * linear(tokens, s.width, s.fusion_inner)
        total += s.fusion_layers * layer + linear(1, s.width, s.classes)
    return total


def clip_operations(lengths: Sequence[int]) -> float:
    """Operations of CLIP ViT-B/32 on pairs of a text of so many tokens and a picture, its projections left out."""
    image = linear(49, 3 * 32 * 32, 768) + encoder(50, 12, 768, 3072)
    return sum(encoder(tokens, 12, 512, 2048) + image for tokens in lengths)


@dataclass(frozen=True)
class Floor:
    """The least time of a piece of work.

    Args:
        operations: Of its matrix products.
        bytes: That have to be read and written besides.
        operations_per_second: Measured matrix rate.
        bytes_per_second: Measured memory bandwidth.
    """

    operations: float
    bytes: float
    operations_per_second: float
    bytes_per_second: float

    @property
    def seconds(self) -> float:
        """The optimiser starts when the backward pass has ended (the gradient norm needs all of it): a sum."""
        return self.operations / self.operations_per_second + self.bytes / self.bytes_per_second

    def gap(self, seconds: float) -> float:
        """How many times the floor the measured time is."""
        return seconds / self.seconds


def training_floor(
    shape: Shape,
    lengths: Sequence[int],
    steps: int,
    parameters: int,
    operations_per_second: float,
    bytes_per_second: float,
    cached: bool = False,
) -> Floor:
    """Floor of training on samples of the given text lengths.

    Args:
        shape: The model.
        lengths: Text tokens of every sample.
        steps: Optimiser steps taken over them.
        parameters: Trained ones.
        operations_per_second: Measured matrix rate in the precision used.
        bytes_per_second: Measured memory bandwidth.
        cached: Whether features are read and no encoder runs.
    """
    operations = TRAINING_PASSES * forward_operations(shape, lengths, cached)
    return Floor(operations, float(steps) * parameters * OPTIMISER_BYTES, operations_per_second, bytes_per_second)
