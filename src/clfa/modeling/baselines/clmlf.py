"""CLMLF: one transformer over text and image tokens, with two auxiliary contrastive losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from clfa.errors import ModelError
from clfa.modeling.baselines.base import Baseline
from clfa.modeling.baselines.guided_attention import masked_softmax
from clfa.modeling.baselines.labels import class_indices
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.transformer_layer import TransformerLayer, transformer_layers


def label_contrast(vectors: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """Compute the label-based contrastive loss, which attracts samples of the same class.

    ``-mean over (i, j) with y_i = y_j of log softmax_j(z_i z_j / tau)``; pairs with i = j are included, as in the
    authors' public code.

    Args:
        vectors: z, L2-normalised (B, D).
        labels: y, class indices (B,).
        temperature: tau.

    Returns:
        Scalar.
    """
    scores = (vectors @ vectors.T / temperature).log_softmax(dim=-1)
    return -scores[labels.unsqueeze(1) == labels.unsqueeze(0)].mean()


def data_contrast(vectors: torch.Tensor, augmented: torch.Tensor, temperature: float) -> torch.Tensor:
    """Compute the data-based contrastive loss, which attracts a sample and its augmented version.

    ``-mean_i log softmax_j(z_i z'_j / tau) at j = i``.

    Args:
        vectors: z, L2-normalised (B, D).
        augmented: z' of the same samples, L2-normalised (B, D).
        temperature: tau.

    Returns:
        Scalar.
    """
    return F.cross_entropy(vectors @ augmented.T / temperature, torch.arange(len(vectors), device=vectors.device))


class CLMLF(Baseline):
    """Li et al., "CLMLF: A Contrastive Learning and Multi-Layer Fusion Method for Multimodal Sentiment Detection",
    Findings of NAACL 2022.

    - Multi-layer fusion: image features, mapped to D, pass a transformer encoder of their own; text features, mapped to
      D, and they, one sequence of T + P tokens, pass another.
    - Pooling: ``q_i = w^T GELU(W f_i + b)``, ``R = sum_i softmax_i(q_i) f_i`` over the tokens f_i that exist.
    - Losses, in training only: classification + ``label_weight`` times :func:`label_contrast` + ``data_weight`` times
      :func:`data_contrast`, on R and on R' of the augmented sample, each through a two-layer head of its own, at one
      temperature.

    Simplified against the paper: the paper augments texts by back-translation and images by RandAugment. Here the
    augmented sample has the same encoder features with randomly masked tokens and other dropout, which needs no
    translator and works with cached features. The contrasted vectors are L2-normalised and divided by the temperature
    inside both softmaxes. Encoders are trained from the first epoch, with the recipe's learning rate (in the authors'
    public code only the fusion is trained at first). The classifier has one layer instead of two. Knowledge is not
    read.

    Args:
        config: ``num_fusion_layers`` layers over both, and all sizes and dropouts of a layer.
        widths: Feature width by stream name.
        num_image_layers: Layers over only the image tokens; 2 in the authors' public code.
        label_weight: Weight of label-based contrastive learning.
        data_weight: Weight of data-based contrastive learning.
        temperature: tau; 0.07 in the authors' public code.
        token_dropout: Probability that a token is masked in the augmented sample.

    Raises:
        ModelError: When there is no text or no image, or an option is out of range.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image")

    def __init__(
        self,
        config: CLFAConfig,
        widths: Mapping[str, int],
        num_image_layers: int = 2,
        label_weight: float = 1.0,
        data_weight: float = 1.0,
        temperature: float = 0.07,
        token_dropout: float = 0.2,
    ) -> None:
        super().__init__(config, widths)
        if temperature <= 0 or not 0 <= token_dropout < 1 or min(num_image_layers, label_weight, data_weight) < 0:
            raise ModelError(
                "baseline 'clmlf' needs temperature above 0, token_dropout from 0 to below 1, and num_image_layers, "
                f"label_weight and data_weight of at least 0; they are {temperature}, {token_dropout}, "
                f"{num_image_layers}, {label_weight} and {data_weight}."
            )
        self.config = config
        size = config.hidden_size
        self.label_weight, self.data_weight = label_weight, data_weight
        self.temperature, self.token_dropout = temperature, token_dropout
        self.text_projection = nn.Linear(widths["text"], size)
        self.image_projection = nn.Linear(widths["image"], size)
        self.image_layers = nn.ModuleList(TransformerLayer(config) for _ in range(num_image_layers))
        self.layers = transformer_layers(config)
        self.attention = nn.Sequential(nn.Linear(size, size), nn.GELU(), nn.Linear(size, 1, bias=False))
        if label_weight or data_weight:
            self.head = nn.Sequential(nn.Linear(size, size), nn.GELU(), nn.Linear(size, size))
        if data_weight:
            self.augmented_head = nn.Sequential(nn.Linear(size, size), nn.GELU(), nn.Linear(size, size))

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`."""
        text, image = streams["text"], streams["image"]
        regions = self.image_projection(image.hidden)
        for layer in self.image_layers:
            regions = layer(regions, regions, image.mask)
        hidden = torch.cat([self.text_projection(text.hidden), regions], dim=1)
        mask = torch.cat([_mask_of(text), _mask_of(image)], dim=1)
        for layer in self.layers:
            hidden = layer(hidden, hidden, mask)
        weights = masked_softmax(self.attention(hidden).squeeze(-1), mask)
        return Stream((weights.unsqueeze(-1) * hidden).sum(dim=1, keepdim=True))

    def auxiliary_loss(self, streams: dict[str, Stream], fused: Stream, labels: torch.Tensor) -> torch.Tensor | None:
        """See :meth:`Baseline.auxiliary_loss`: the weighted sum of the two contrastive losses."""
        parts = []
        if self.label_weight or self.data_weight:
            vectors = F.normalize(self.head(fused.hidden[:, 0]), dim=-1)
        if self.label_weight:
            classes = class_indices(self.config, labels)
            if classes is None:
                raise ModelError(
                    "the label-based contrastive learning of clmlf needs one target with one class per sample; set "
                    "model.baseline_options.label_weight=0 for other targets."
                )
            labelled = classes >= 0
            if labelled.any():
                loss = label_contrast(vectors[labelled], classes[labelled], self.temperature)
                parts.append(self.label_weight * loss)
        if self.data_weight:
            augmented = self({name: self._thinned(streams[name]) for name in self.needs}).hidden[:, 0]
            augmented = F.normalize(self.augmented_head(augmented), dim=-1)
            parts.append(self.data_weight * data_contrast(vectors, augmented, self.temperature))
        return torch.stack(parts).sum() if parts else None

    def _thinned(self, stream: Stream) -> Stream:
        """Return the stream with randomly masked tokens; a sample that would lose all tokens keeps them."""
        mask = _mask_of(stream)
        kept = mask & (torch.rand(mask.shape, device=mask.device) >= self.token_dropout)
        return stream._replace(mask=torch.where(kept.any(dim=1, keepdim=True), kept, mask))


def _mask_of(stream: Stream) -> torch.Tensor:
    if stream.mask is None:
        return torch.ones(stream.hidden.shape[:2], dtype=torch.bool, device=stream.hidden.device)
    return stream.mask.bool()
