"""Att-BERT: cross-attention between text and image, co-attention between text and hashtags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from clfa.modeling.baselines.base import Baseline
from clfa.modeling.baselines.guided_attention import masked_softmax
from clfa.modeling.baselines.vectors import keep_of, knowledge_or_nothing, text_vector
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.transformer_layer import transformer_layers


class AttBert(Baseline):
    """Pan, Lin, Fu, Qi and Wang, "Modeling Intra and Inter-modality Incongruity for Multi-Modal Sarcasm Detection",
    Findings of EMNLP 2020, called Att-BERT in later tables.

    The knowledge stream contains the hashtags of the post (knowledge source ``hashtags``).

    - Inter-modality: text tokens H query the regions G in each of ``num_fusion_layers`` layers,
      ``Z = LN(H + MultiHead(H, G, G))``, ``H = LN(Z + FFN(Z))``; the [CLS] position is h_inter.
    - Intra-modality: affinity of hashtag and text tokens ``C = tanh(O W H^T)``, weights of the hashtag tokens
      ``a = softmax_k(max_i C_ki)``, ``h_intra = sum_k a_k o_k``.
    - ``out = W [h_inter; h_intra] + b``.

    A post without hashtags has h_intra = 0. A model without a knowledge stream has only the inter-modality part.

    Simplified against the paper: text, regions and hashtags are first mapped to ``hidden_size`` by a linear layer (the
    paper keeps BERT's width and maps only ResNet-152's regions). Hashtags are encoded separately by the text encoder,
    one vector per word piece.

    Args:
        config: ``hidden_size``, ``num_fusion_layers``, ``num_attention_heads``, ``intermediate_size`` and dropouts.
        widths: Feature width by stream name.

    Raises:
        ModelError: When text or image is missing.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image")

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int]) -> None:
        super().__init__(config, widths)
        self.config = config
        size = config.hidden_size
        self.text = nn.Linear(widths["text"], size)
        self.image = nn.Linear(widths["image"], size)
        self.layers = transformer_layers(config)
        self.knowledge_width = widths.get("knowledge", 0)
        if self.knowledge_width:
            self.hashtags = nn.Linear(self.knowledge_width, size)
            self.affinity = nn.Linear(size, size, bias=False)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(2 * size if self.knowledge_width else size, size)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`."""
        text = streams["text"]._replace(hidden=self.text(self.dropout(streams["text"].hidden)))
        regions = self.image(self.dropout(streams["image"].hidden))
        hidden = text.hidden
        for layer in self.layers:
            hidden = layer(hidden, regions, streams["image"].mask)
        parts = [text_vector(text._replace(hidden=hidden), self.config)]
        if self.knowledge_width:
            parts.append(self._intra(text, knowledge_or_nothing(streams, self.knowledge_width)))
        return Stream(self.dense(self.dropout(torch.cat(parts, dim=-1))).unsqueeze(1))

    def _intra(self, text: Stream, knowledge: Stream) -> torch.Tensor:
        """Return the hashtags' vector by co-attention with the text (B, D); zeros without hashtags."""
        hashtags = self.hashtags(knowledge.hidden)
        affinity = torch.tanh(self.affinity(hashtags) @ text.hidden.transpose(1, 2))
        # tanh is above -1, so that a masked text token is never the maximum.
        best = affinity.masked_fill(~keep_of(text).unsqueeze(1), -1.0).amax(dim=2)
        return (masked_softmax(best, knowledge.mask).unsqueeze(1) @ hashtags).squeeze(1)
