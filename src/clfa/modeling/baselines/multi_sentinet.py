"""MultiSentiNet: attention over words, guided by image features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from clfa.modeling.baselines.base import Baseline
from clfa.modeling.baselines.guided_attention import GuidedAttention
from clfa.modeling.baselines.recurrent import MaskedLSTM
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.pooling import masked_mean


class MultiSentiNet(Baseline):
    """Xu and Mao, "MultiSentiNet: A Deep Semantic Network for Multimodal Sentiment Analysis", CIKM 2017.

    - Object vector o and scene vector s, one layer each: ``o' = tanh(W_o o + b_o)``, ``s' = tanh(W_s s + b_s)``.
    - Words: ``h_t = LSTM(x_t, h_{t-1})``.
    - Visual-feature-guided attention: ``a = softmax_t(w^T tanh(W h_t + U_o o' + U_s s' + b))``, ``v = sum_t a_t h_t``.
    - Aggregation: ``ReLU(W_m [v; o'; s'] + b_m)``, then the classifier.

    Simplified against the paper: its object features come from a VGG trained on ImageNet and its scene features from a
    VGG trained on Places. Here o is the mean of the image features, whatever the recipe's vision encoder was trained on
    (for an ImageNet network that is the paper's object side), and a network trained on scenes is missing: s is the mean
    of the knowledge features, which names objects or scenes in words where the data has them, and does not exist
    without ``model.use_knowledge``. The exact form of the attention is the usual additive one, after the paper's
    description; no public code was found to check it against. The paper's word vectors are GloVe's; ``text_encoder:
    embeddings:NAME`` uses an encoder's input embeddings instead.

    Args:
        config: ``hidden_size`` (also the LSTM's and the attention's), ``hidden_dropout_prob`` and ``use_knowledge``.
        widths: Feature width by stream name.

    Raises:
        ModelError: When there is no text or no image.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image")

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int]) -> None:
        super().__init__(config, widths)
        size = config.hidden_size
        self.seen = [name for name in ("image", "knowledge") if name in widths]
        self.visual = nn.ModuleDict({name: nn.Linear(widths[name], size) for name in self.seen})
        self.lstm = MaskedLSTM(widths["text"], size)
        self.attention = GuidedAttention(size, [size] * len(self.seen), size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.aggregate = nn.Linear(size * (1 + len(self.seen)), size)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`; the scene vector s' of a sample without knowledge is zero."""
        text = streams["text"]
        states, _ = self.lstm(text.hidden, text.mask)
        guides = [self._visual(name, streams, states) for name in self.seen]
        weights = self.attention(states, text.mask, *guides)
        words = (weights.unsqueeze(-1) * states).sum(dim=1)
        fused = self.aggregate(self.dropout(torch.cat([words, *guides], dim=-1)))
        return Stream(torch.relu(fused).unsqueeze(1))

    def _visual(self, name: str, streams: dict[str, Stream], states: torch.Tensor) -> torch.Tensor:
        if name not in streams:
            return states.new_zeros(states.shape[0], states.shape[-1])
        hidden, mask, _ = streams[name]
        vector = torch.tanh(self.visual[name](masked_mean(hidden, mask)))
        return vector if mask is None else vector * mask.bool().any(dim=1, keepdim=True)
