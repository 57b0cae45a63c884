"""Co-memory network: text and image query each other's memory in several hops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from clfa.errors import ModelError
from clfa.modeling.baselines.base import Baseline
from clfa.modeling.baselines.guided_attention import GuidedAttention
from clfa.modeling.baselines.recurrent import MaskedLSTM
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.pooling import masked_mean


class CoMemory(Baseline):
    """Xu, Mao and Chen, "A Co-Memory Network for Multimodal Sentiment Analysis", SIGIR 2018 (Co-MN-Hop).

    - Memories: text ``m^t_i``, the states of an LSTM over the words; image ``m^v_j = tanh(W v_j + b)``, one cell per
      region. First queries: their means, ``t^0`` and ``v^0``.
    - Hop k, text-guided visual memory: ``a_j = softmax_j(w^T tanh(W_v m^v_j + U_v t^{k-1} + b))``,
      ``v^k = v^{k-1} + sum_j a_j m^v_j``.
    - Hop k, image-guided textual memory: ``a'_i = softmax_i(w'^T tanh(W_t m^t_i + U_t v^{k-1} + b'))``,
      ``t^k = t^{k-1} + sum_i a'_i m^t_i``.
    - After the last hop ``ReLU(W_o [t^K; v^K] + b_o)``, then the classifier.

    Simplified against the paper: all hops share their weights (layer-wise tying of memory networks, Sukhbaatar et al.,
    "End-To-End Memory Networks", 2015). The additive form of the attention and the sum with the previous query are the
    usual ones of memory networks, after the paper's description; no public code was found to check them against. The
    paper's word vectors are GloVe's; ``text_encoder: embeddings:NAME`` puts an encoder's input embeddings in their
    place. Knowledge is not read.

    Args:
        config: ``hidden_size`` (also the memories') and ``hidden_dropout_prob``.
        widths: Feature width by stream name.
        hops: K, the number of hops.

    Raises:
        ModelError: When there is no text or no image, or ``hops`` is below 1.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image")

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int], hops: int = 6) -> None:
        super().__init__(config, widths)
        if hops < 1:
            raise ModelError(f"baseline 'co_memory' has hops={hops}; it needs at least 1.")
        size = config.hidden_size
        self.hops = hops
        self.text_memory = MaskedLSTM(widths["text"], size)
        self.image_memory = nn.Linear(widths["image"], size)
        self.text_attention = GuidedAttention(size, [size], size)
        self.image_attention = GuidedAttention(size, [size], size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(2 * size, size)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`."""
        text_mask, image_mask = streams["text"].mask, streams["image"].mask
        words, _ = self.text_memory(streams["text"].hidden, text_mask)
        regions = torch.tanh(self.image_memory(streams["image"].hidden))
        text, image = masked_mean(words, text_mask), masked_mean(regions, image_mask)
        for _ in range(self.hops):
            seen = (self.image_attention(regions, image_mask, text).unsqueeze(-1) * regions).sum(dim=1)
            read = (self.text_attention(words, text_mask, image).unsqueeze(-1) * words).sum(dim=1)
            text, image = text + read, image + seen
        fused = self.dense(self.dropout(torch.cat([text, image], dim=-1)))
        return Stream(torch.relu(fused).unsqueeze(1))
