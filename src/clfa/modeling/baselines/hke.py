"""HKE: congruity of words and phrases with image regions and with knowledge words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from clfa.errors import ModelError
from clfa.modeling.baselines.base import Baseline
from clfa.modeling.baselines.guided_attention import masked_softmax
from clfa.modeling.baselines.vectors import keep_of, knowledge_or_nothing
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.transformer_layer import transformer_layers


class GraphAttention(nn.Module):
    """One graph attention layer (Velickovic et al. 2018) with its heads side by side.

    ``a_ij = softmax_j(LeakyReLU_0.2(s^T W g_i + t^T W g_j))`` over the neighbours j of node i, which becomes
    ``LN(ReLU(sum_j a_ij W g_j))``.

    Args:
        size: Width D.
        num_heads: Number of heads, each of width D / heads.
        layer_norm_eps: Epsilon of the LayerNorm.
    """

    def __init__(self, size: int, num_heads: int, layer_norm_eps: float = 1e-12) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.values = nn.Linear(size, size, bias=False)
        self.source = nn.Linear(size, num_heads, bias=False)
        self.target = nn.Linear(size, num_heads, bias=False)
        self.layer_norm = nn.LayerNorm(size, eps=layer_norm_eps)

    def forward(self, nodes: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        """Nodes (B, N, D), edges to neighbours (B, N, N) boolean -> (B, N, D); a node without any gets zeros."""
        values = self.values(nodes)
        scores = self.source(values).transpose(1, 2).unsqueeze(-1) + self.target(values).transpose(1, 2).unsqueeze(-2)
        weights = masked_softmax(F.leaky_relu(scores, 0.2), edges.unsqueeze(1))
        mixed = weights @ values.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        result: torch.Tensor = self.layer_norm(torch.relu(mixed.transpose(1, 2).flatten(2)))
        return result


class Congruity(nn.Module):
    """Atomic and compositional agreement of a text with one context: the image's regions or the knowledge's words.

    Args:
        config: ``hidden_size``, ``num_fusion_layers``, ``num_attention_heads``, ``intermediate_size``, dropouts.
        graph_layers: Number of graph attention layers on each side.
        window: Greatest distance of two linked text tokens.
    """

    def __init__(self, config: CLFAConfig, graph_layers: int, window: int) -> None:
        super().__init__()
        size = config.hidden_size
        self.window = window
        self.layers = transformer_layers(config)

        def graph() -> nn.ModuleList:
            return nn.ModuleList(
                GraphAttention(size, config.num_attention_heads, config.layer_norm_eps) for _ in range(graph_layers)
            )

        self.text_graph, self.context_graph = graph(), graph()
        self.token_importance = nn.Linear(size, 1, bias=False)
        self.sentence_importance = nn.Linear(size, 1, bias=False)
        self.phrase_importance = nn.Linear(size, 1, bias=False)
        self.context_importance = nn.Linear(size, 1, bias=False)

    def forward(self, text: Stream, context: Stream) -> torch.Tensor:
        """Agreement.

        Args:
            text: Text tokens (B, T, D) with their mask.
            context: Regions or knowledge words (B, M, D) with their mask.

        Returns:
            (B, 2 D): the context's tokens summed with weights of congruity and importance, atomic then compositional;
            zeros for a sample without context.
        """
        keep_text, keep_context = keep_of(text), keep_of(context)
        updated = text.hidden
        for layer in self.layers:
            updated = layer(updated, context.hidden, keep_context)
        atomic = self._congruity(updated, keep_text, context.hidden, self.token_importance)

        sentence = masked_softmax(self.sentence_importance(text.hidden).squeeze(-1), keep_text).unsqueeze(1) @ updated
        phrases, regions = updated, context.hidden
        positions = torch.arange(phrases.shape[1], device=phrases.device)
        near = (positions[:, None] - positions[None, :]).abs() <= self.window
        for layer in self.text_graph:
            phrases = layer(phrases, near & keep_text.unsqueeze(1) & keep_text.unsqueeze(2))
        for layer in self.context_graph:
            regions = layer(regions, keep_context.unsqueeze(1) & keep_context.unsqueeze(2))
        phrases = torch.cat([phrases, sentence], dim=1)
        keep_phrases = torch.cat([keep_text, torch.ones_like(keep_text[:, :1])], dim=1)
        composed = self._congruity(phrases, keep_phrases, regions, self.phrase_importance)

        weight = masked_softmax(self.context_importance(context.hidden).squeeze(-1), keep_context)
        return torch.cat(
            [
                ((weight * atomic).unsqueeze(1) @ context.hidden).squeeze(1),
                ((weight * composed).unsqueeze(1) @ regions).squeeze(1),
            ],
            dim=-1,
        )

    @staticmethod
    def _congruity(
        tokens: torch.Tensor, keep: torch.Tensor, context: torch.Tensor, importance: nn.Module
    ) -> torch.Tensor:
        """Agreement of every context token with the text (B, M)."""
        scores = tokens @ context.transpose(1, 2) / tokens.shape[-1] ** 0.5
        weights = masked_softmax(importance(tokens).squeeze(-1), keep)
        return (weights.unsqueeze(1) @ scores).squeeze(1)


class HKE(Baseline):
    """Hierarchical congruity with knowledge enhancement: Liu, Wang and Li, "Towards Multi-Modal Sarcasm Detection via
    Hierarchical Congruity Modeling with Knowledge Enhancement", EMNLP 2022.

    With text tokens T and regions I, both mapped to width d and layer-normalised:

    - ``T' = LN(T + MultiHead(T, I, I))`` and feed-forward, ``num_fusion_layers`` times.
    - Atomic level: ``Q = T' I^T / sqrt(d)``, ``c_a = softmax(T' w_a)^T Q``, one score per region.
    - Composition level: graph attention over the text (T'') and over the regions (I''); the sentence
      ``c = softmax(T w_c)^T T'`` is one more node; ``Q = [T''; c] I''^T / sqrt(d)``,
      ``c_p = softmax([T''; c] w_p)^T Q``.
    - Regions have an importance ``p = softmax(I w_v)``; the agreement is
      ``[sum_r p_r c_a,r I_r; sum_r p_r c_p,r I''_r]``.
    - Knowledge (a caption, in the paper's best model) is a second image: the same with its tokens in the place of the
      regions. Both agreements are mapped to ``hidden_size`` and added.

    Without knowledge (in the model, the batch or a sample) only the image's agreement is used, as in the paper's
    model without knowledge.

    Simplified against the paper: there the classifier reads ``p * c_a`` and ``p * c_p`` by position of the region (and
    of the knowledge word, padded to a fixed number); here they weigh the region vectors, so that any grid and any
    length will do. Text edges are a window over word pieces instead of a dependency tree over words and noun phrases;
    regions, and the words of the caption, are all linked with each other. Knowledge meets T itself, not the T' that the
    image has made of it.

    Args:
        config: ``hidden_size``, ``num_fusion_layers``, ``num_attention_heads``, ``intermediate_size`` and dropouts.
        widths: Feature width by stream name.
        graph_layers: Number of graph attention layers (2 in the paper's code).
        window: Greatest distance of two linked text tokens.

    Raises:
        ModelError: When text or image is missing, or an option is out of range.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image")

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int], graph_layers: int = 2, window: int = 2) -> None:
        super().__init__(config, widths)
        if graph_layers < 1 or window < 0:
            raise ModelError(
                "baseline 'hke' needs graph_layers of at least 1 and window of at least 0; "
                f"they are {graph_layers} and {window}."
            )
        size, epsilon = config.hidden_size, config.layer_norm_eps
        self.widths = dict(widths)
        self.text = nn.Sequential(nn.Linear(widths["text"], size), nn.LayerNorm(size, eps=epsilon))
        self.image = nn.Sequential(nn.Linear(widths["image"], size), nn.LayerNorm(size, eps=epsilon))
        self.contexts = ("image", "knowledge") if "knowledge" in widths else ("image",)
        self.congruity = nn.ModuleDict({name: Congruity(config, graph_layers, window) for name in self.contexts})
        self.outputs = nn.ModuleDict({name: nn.Linear(2 * size, size) for name in self.contexts})
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`."""
        text = streams["text"]._replace(hidden=self.text(self.dropout(streams["text"].hidden)))
        image = streams["image"]._replace(hidden=self.image(self.dropout(streams["image"].hidden)))
        fused = self.outputs["image"](self.dropout(self.congruity["image"](text, image)))
        if "knowledge" in self.contexts:
            knowledge = knowledge_or_nothing(streams, self.widths["knowledge"])
            knowledge = knowledge._replace(hidden=self.text(self.dropout(knowledge.hidden)))
            agreement = self.outputs["knowledge"](self.dropout(self.congruity["knowledge"](text, knowledge)))
            fused = fused + agreement * keep_of(knowledge).any(dim=1, keepdim=True)
        return Stream(fused.unsqueeze(1))
