"""CMGCN: graph convolutions on one graph over words, image regions and attribute words."""

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


def window_edges(length: int, window: int, device: torch.device | None = None) -> torch.Tensor:
    """Return 1 for positions at most ``window`` apart, including the diagonal, else 0 (length, length)."""
    positions = torch.arange(length, device=device)
    return ((positions[:, None] - positions[None, :]).abs() <= window).float()


def normalise_graph(adjacency: torch.Tensor) -> torch.Tensor:
    """Return ``D^-1/2 A D^-1/2`` with the row sums D (Kipf and Welling 2017).

    Args:
        adjacency: Edge weights (B, N, N), 1 on the diagonal of existing nodes; rows and columns of others are zero.

    Returns:
        (B, N, N).
    """
    scale = adjacency.sum(dim=-1).clamp(min=1.0).rsqrt()
    return scale.unsqueeze(-1) * adjacency * scale.unsqueeze(-2)


class CMGCN(Baseline):
    """Cross-modal graph convolutional network: Liang et al., "Multi-Modal Sarcasm Detection via Cross-Modal Graph
    Convolutional Network", ACL 2022, after InCrossMGs, Liang et al., "Multi-Modal Sarcasm Detection with Interactive
    In-Modal and Cross-Modal Graphs", ACM Multimedia 2021.

    - Nodes ``g_i``: text tokens, regions, and, where there is knowledge, its tokens (attribute words), each kind
      through its own linear map.
    - Edges A, symmetric: 1 between text tokens at most ``window`` apart and from every node to itself;
      ``max(0, cos(g_i, g_j))`` between nodes of different kinds; none between two regions or two attribute words.
    - ``G_l = ReLU(D^-1/2 A D^-1/2 G_(l-1) W_l + b_l)`` for ``num_fusion_layers`` layers.
    - Retrieval attention: ``a = softmax_t(sum_j g_t^T g_j^L)`` over the text tokens t, with the graph's nodes j after
      the last layer; ``r = sum_t a_t g_t``; ``out = W r + b``.

    Without knowledge (in the model, the batch or a sample) there are no attribute nodes and edges.

    Simplified against the papers: the dependency tree of the text is replaced by a window, so that no parser is needed;
    the weight of a text-region edge, there from WordNet similarity and SenticNet polarity of a detected object's
    attribute and class words, is the clipped cosine of the learnt node features; objects of a detector are the vision
    encoder's tokens, and attribute words, which in the data belong to no region in particular, are nodes of their own.
    The retrieval scores are divided by the number of nodes times sqrt(D), without which the softmax of wide models is
    one-hot.

    Args:
        config: ``hidden_size``, ``num_fusion_layers`` and ``hidden_dropout_prob``.
        widths: Feature width by stream name.
        window: Greatest distance of two linked text tokens.

    Raises:
        ModelError: When text or image is missing, or ``window`` is negative.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image")

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int], window: int = 2) -> None:
        super().__init__(config, widths)
        if window < 0:
            raise ModelError(f"baseline 'cmgcn' has window={window}; it is a distance of tokens, 0 or more.")
        self.window = window
        size = config.hidden_size
        self.names = tuple(name for name in ("text", "image", "knowledge") if name in widths)
        self.widths = dict(widths)
        self.nodes = nn.ModuleDict({name: nn.Linear(widths[name], size) for name in self.names})
        self.convolutions = nn.ModuleList(nn.Linear(size, size) for _ in range(config.num_fusion_layers))
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(size, size)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`."""
        kinds = {name: streams[name] for name in ("text", "image")}
        if "knowledge" in self.names:
            kinds["knowledge"] = knowledge_or_nothing(streams, self.widths["knowledge"])
        nodes = {
            name: Stream(self.nodes[name](self.dropout(stream.hidden)), keep_of(stream))
            for name, stream in kinds.items()
        }
        graph = normalise_graph(self.adjacency(nodes))
        hidden = torch.cat([stream.hidden for stream in nodes.values()], dim=1)
        exists = torch.cat([keep_of(stream) for stream in nodes.values()], dim=1).unsqueeze(-1)
        for convolution in self.convolutions:
            hidden = torch.relu(convolution(graph @ self.dropout(hidden)))
        text = nodes["text"]
        retrieved = (hidden * exists).sum(dim=1) / exists.sum(dim=1).clamp(min=1)
        scores = (text.hidden @ retrieved.unsqueeze(-1)).squeeze(-1) / text.hidden.shape[-1] ** 0.5
        read = (masked_softmax(scores, text.mask).unsqueeze(1) @ text.hidden).squeeze(1)
        return Stream(self.dense(self.dropout(read)).unsqueeze(1))

    def adjacency(self, nodes: Mapping[str, Stream]) -> torch.Tensor:
        """Compute the edge weights.

        Args:
            nodes: Features (B, N_kind, D) and masks by kind, text first.

        Returns:
            (B, N, N) over all kinds in their order; rows and columns of masked tokens are zero.
        """
        features = F.normalize(torch.cat([stream.hidden for stream in nodes.values()], dim=1), dim=-1)
        exists = torch.cat([keep_of(stream) for stream in nodes.values()], dim=1)
        kind = torch.cat(
            [torch.full((stream.hidden.shape[1],), number) for number, stream in enumerate(nodes.values())]
        ).to(features.device)
        between = kind[:, None] != kind[None, :]
        edges = torch.relu(features @ features.transpose(1, 2)) * between
        edges = edges + torch.eye(kind.shape[0], device=features.device) * ~between
        length = nodes["text"].hidden.shape[1]
        within = F.pad(window_edges(length, self.window, features.device), (0, kind.shape[0] - length) * 2)
        edges = torch.maximum(edges, within.to(edges.dtype))
        return edges * (exists.unsqueeze(1) & exists.unsqueeze(2))
