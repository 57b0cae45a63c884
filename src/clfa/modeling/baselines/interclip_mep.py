"""InterCLIP-MEP: image features conditioned on the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from clfa.modeling.baselines.base import Baseline
from clfa.modeling.baselines.labels import class_indices
from clfa.modeling.baselines.vectors import has_class_token, image_vector, keep_of, text_vector
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.transformer_layer import transformer_layers


class InterCLIPMEP(Baseline):
    """Chen, Yu, Chen and Liu, "InterCLIP-MEP: Interactive CLIP and Memory-Enhanced Predictor for Multi-modal Sarcasm
    Detection", arXiv:2406.16464, in its best direction, text to vision (T2V).

    - The text's token features, through a two-layer adapter, condition the image: in each of ``num_fusion_layers``
      layers the image tokens V query ``[V; adapter(T)]`` by multi-head attention, then feed-forward. As in the paper no
      gradient flows from there into the text encoder.
    - ``f = [v; t]``, the conditioned image's and the plain text's vector; ``out = ReLU(W f + b)``, the hidden layer
      of the paper's classifier, before the shared linear one.
    - Training strategy: ``z = normalise(MLP(f))``, and added to the classification loss
      ``sum_c mean_(i,j of class c) (1 - z_i^T z_j) + mean_(i,j of different classes) max(0, z_i^T z_j)``.

    Simplified against the paper: the conditional attention is not inside the upper layers of CLIP's own vision tower
    but in fresh post-norm layers on its output, so that frozen and other encoders will do. The memory-enhanced
    predictor is left out: it collects test samples with confident predictions while it predicts and compares later ones
    with them, so that a prediction depends on the samples before it and on their order; here every sample is predicted
    on its own, by the classifier, and the projection only serves the loss. For more than two classes the loss sums over
    all of them; for tasks without one class per sample it is left out. Knowledge is not read.

    Args:
        config: ``hidden_size``, ``num_fusion_layers``, ``num_attention_heads``, ``intermediate_size`` and dropouts.
        widths: Feature width by stream name.
        similarity_weight: Of the loss on z (1 in the paper).

    Raises:
        ModelError: When text or image is missing.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image")

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int], similarity_weight: float = 1.0) -> None:
        super().__init__(config, widths)
        self.config = config
        self.similarity_weight = similarity_weight
        size = config.hidden_size
        self.image = nn.Linear(widths["image"], size)
        self.adapter = nn.Sequential(nn.Linear(widths["text"], size), nn.ReLU(), nn.Linear(size, size))
        self.layers = transformer_layers(config)
        both = size + widths["text"]
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(both, size)
        self.projection = nn.Sequential(nn.Linear(both, size), nn.ReLU(), nn.Linear(size, size))

    @classmethod
    def takes_several_images(cls, vision_type: str) -> bool:
        """See :meth:`Baseline.takes_several_images`; a class token is that of one image."""
        return not has_class_token(vision_type)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`; the second token is z, for the loss, and is masked."""
        text, image = streams["text"], streams["image"]
        condition = self.adapter(text.hidden.detach())
        keep = torch.cat([keep_of(image), keep_of(text)], dim=1)
        hidden = self.image(image.hidden)
        for layer in self.layers:
            hidden = layer(hidden, torch.cat([hidden, condition], dim=1), keep)
        both = torch.cat(
            [image_vector(image._replace(hidden=hidden), self.config), text_vector(text, self.config)], dim=-1
        )
        fused = torch.relu(self.dense(self.dropout(both)))
        tokens = torch.stack([fused, F.normalize(self.projection(both), dim=-1)], dim=1)
        mask = torch.zeros(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        mask[:, 0] = True
        return Stream(tokens, mask)

    def auxiliary_loss(self, streams: dict[str, Stream], fused: Stream, labels: torch.Tensor) -> torch.Tensor | None:
        """Compute the loss on z for samples with a label; ``None`` for tasks without one class per sample."""
        classes = class_indices(self.config, labels)
        if classes is None:
            return None
        z, labels = fused.hidden[classes >= 0, 1], classes[classes >= 0]
        similarity = z @ z.T
        same = labels.unsqueeze(0) == labels.unsqueeze(1)
        # The sum over classes of the mean over pairs: a pair has weight 1 / (size of its class)^2.
        counts = same.sum(dim=1, dtype=similarity.dtype)
        pull = ((1 - similarity) * same / counts.square()).sum()
        push = (similarity.clamp(min=0) * ~same).sum() / (~same).sum().clamp(min=1)
        return self.similarity_weight * (pull + push)
