"""Fusion by parallel co-attention: the affinities of all token pairs guide an attention over each modality."""

from __future__ import annotations

import torch
from torch import nn

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Fusion, Stream


def attend(hidden: torch.Tensor, scores: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return a weighted sum of tokens.

    Args:
        hidden: Tokens (B, N, D).
        scores: Before the softmax (B, N).
        mask: 1 where a token exists (B, N), or ``None`` when all do.

    Returns:
        (B, D); zeros for a sample without any token.
    """
    if mask is None:
        weights = scores.softmax(dim=1)
    else:
        weights = scores.masked_fill(~mask.bool(), torch.finfo(scores.dtype).min).softmax(dim=1) * mask
    return (weights.to(hidden.dtype).unsqueeze(1) @ hidden).squeeze(1)


class ParallelCoAttention(nn.Module):
    """Attention over two streams at once (Lu et al. 2016, equations 3 to 5).

    Args:
        hidden_size: Width D of the tokens, also of the attention's hidden layer (k in the paper).
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.affinity = nn.Linear(hidden_size, hidden_size, bias=False)
        self.first = nn.Linear(hidden_size, hidden_size, bias=False)
        self.second = nn.Linear(hidden_size, hidden_size, bias=False)
        self.first_score = nn.Linear(hidden_size, 1, bias=False)
        self.second_score = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, first: Stream, second: Stream) -> torch.Tensor:
        """Return the sum of both streams' attended vectors.

        Args:
            first: Q of the paper (B, T, D).
            second: V of the paper (B, N, D). Its bias (B, T, N) is added to the affinity before the tanh.

        Returns:
            (B, D); zeros for a sample that lacks one of the streams.
        """
        scores = first.hidden @ self.affinity(second.hidden).transpose(1, 2)
        affinity = torch.tanh(scores if second.bias is None else scores + second.bias)
        if first.mask is not None:
            affinity = affinity * first.mask.unsqueeze(2)
        if second.mask is not None:
            affinity = affinity * second.mask.unsqueeze(1)
        q, v = self.first(first.hidden), self.second(second.hidden)
        first_scores = self.first_score(torch.tanh(q + affinity @ v)).squeeze(-1)
        second_scores = self.second_score(torch.tanh(v + affinity.transpose(1, 2) @ q)).squeeze(-1)
        both = attend(first.hidden, first_scores, first.mask) + attend(second.hidden, second_scores, second.mask)
        for mask in (first.mask, second.mask):
            if mask is not None:
                both = both * mask.bool().any(dim=1, keepdim=True)
        return both


class AttentionPooling(nn.Module):
    """Attention over one stream: ``softmax(w^T tanh(W_x X))`` (Lu et al. 2016, equation 6 with guidance ``g = 0``).

    Args:
        hidden_size: Width D.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden_size, hidden_size, bias=False)
        self.score = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, stream: Stream) -> torch.Tensor:
        """(B, N, D) -> (B, D)."""
        return attend(stream.hidden, self.score(torch.tanh(self.dense(stream.hidden))).squeeze(-1), stream.mask)


class CoAttentionFusion(Fusion):
    """``h = tanh(W (q + v))`` of the co-attended text ``q`` and image ``v``.

    Source: Lu et al., "Hierarchical Question-Image Co-Attention for Visual Question Answering", NeurIPS 2016
    (arXiv:1606.00061), parallel co-attention. With text tokens Q and image tokens V as columns (W_b, W_q, W_v, w_hq and
    w_hv are ``affinity``, ``first``, ``second``, ``first_score`` and ``second_score``):

    - (3) ``C = tanh(Q^T W_b V)``
    - (4) ``H_v = tanh(W_v V + (W_q Q) C)``, ``H_q = tanh(W_q Q + (W_v V) C^T)``, ``a = softmax(w^T H)`` for each
    - (5) ``v = sum_n a_n v_n``, ``q = sum_t a_t q_t``
    - (7) ``h = tanh(W (q + v))``, here of one level only

    Simplified: the hierarchy of words, phrases and question is left out, because the text encoder's states already
    have context. Beyond the paper: padding has affinity 0 and weight 0. Text and knowledge have a second co-attention,
    with the knowledge graph added to its scores; its two vectors are added to the sum, or zeros for a sample without
    knowledge. A single modality is pooled by :class:`AttentionPooling`. ``num_fusion_layers`` is not used.

    Args:
        config: ``hidden_size``; streams by ``config.modalities`` and ``config.use_knowledge``.
    """

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__(config)
        self.names = config.modalities
        width = config.hidden_size
        self.main = ParallelCoAttention(width) if len(self.names) == 2 else AttentionPooling(width)
        self.knowledge = ParallelCoAttention(width) if config.use_knowledge else None
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Fusion.forward`; one fused token (B, 1, D)."""
        total = self.main(*(streams[name] for name in self.names))
        if self.knowledge is not None and "knowledge" in streams:
            total = total + self.knowledge(streams["text"], streams["knowledge"])
        return Stream(torch.tanh(self.output(total)).unsqueeze(1))
