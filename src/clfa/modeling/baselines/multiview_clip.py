"""Multi-view CLIP: separate classifiers for the text, the image and their interaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from clfa.modeling.baselines.base import Baseline
from clfa.modeling.baselines.vectors import has_class_token, image_vector, keep_of, text_vector
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.transformer_layer import transformer_layers


class MultiViewCLIP(Baseline):
    """Qin et al., "MMSD2.0: Towards a Reliable Multi-modal Sarcasm Detection System", Findings of ACL 2023.

    - Text view ``GELU(dropout(W_t t + b))`` of the text's vector t (CLIP: the end-of-text token), image view
      ``GELU(dropout(W_v v + b))`` of the image's (CLIP: the class token).
    - Interaction view: all image and text tokens, each through a linear map, in one sequence through
      ``num_fusion_layers`` transformer layers; of its outputs the two vectors t' and v' at the same places, weighted by
      key-less attention, ``softmax(w^T t', w^T v')``, and added.
    - Every view has its own classifier.

    Simplified against the paper: there the softmax scores of the three classifiers are added and the three
    cross-entropies, too; here their logits are averaged (as in this library's late fusion) and the average has one
    cross-entropy. The linear maps into the common space are fresh, not CLIP's own projections. Encoders are the
    recipe's; give it both towers of one CLIP for the paper's model. Knowledge is not read.

    Args:
        config: ``hidden_size``, ``num_fusion_layers``, ``num_attention_heads``, ``intermediate_size`` and dropouts.
        widths: Feature width by stream name.

    Raises:
        ModelError: When text or image is missing.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image")
    views: ClassVar[int] = 3

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int]) -> None:
        super().__init__(config, widths)
        self.config = config
        size = config.hidden_size
        self.views_of_one = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(widths[name], size), nn.Dropout(config.hidden_dropout_prob), nn.GELU())
                for name in ("text", "image")
            }
        )
        self.projections = nn.ModuleDict(
            {name: nn.Linear(widths[name], size, bias=False) for name in ("text", "image")}
        )
        self.layers = transformer_layers(config)
        self.keyless = nn.Linear(size, 1, bias=False)

    @classmethod
    def takes_several_images(cls, vision_type: str) -> bool:
        """See :meth:`Baseline.takes_several_images`; a class token is that of one image."""
        return not has_class_token(vision_type)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`; three tokens: text, image and interaction view."""
        text, image = streams["text"], streams["image"]
        text_view = self.views_of_one["text"](text_vector(text, self.config))
        image_view = self.views_of_one["image"](image_vector(image, self.config))
        return Stream(torch.stack([text_view, image_view, self._interaction(text, image)], dim=1))

    def _interaction(self, text: Stream, image: Stream) -> torch.Tensor:
        """Return the interaction view (B, D): one transformer over all tokens, two vectors by key-less attention."""
        hidden = torch.cat([self.projections["image"](image.hidden), self.projections["text"](text.hidden)], dim=1)
        mask = torch.cat([keep_of(image), keep_of(text)], dim=1)
        for layer in self.layers:
            hidden = layer(hidden, hidden, mask)
        patches = image.hidden.shape[1]
        pair = torch.stack(
            [
                text_vector(text._replace(hidden=hidden[:, patches:]), self.config),
                image_vector(image._replace(hidden=hidden[:, :patches]), self.config),
            ],
            dim=1,
        )
        return (self.keyless(pair).softmax(dim=1) * pair).sum(dim=1)
