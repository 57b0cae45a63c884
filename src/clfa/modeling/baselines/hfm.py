"""HFM: attention over each of three modalities, guided by all of them, and a weighted sum of the results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from clfa.modeling.baselines.base import Baseline
from clfa.modeling.baselines.guided_attention import GuidedAttention, masked_softmax
from clfa.modeling.baselines.recurrent import MaskedLSTM
from clfa.modeling.baselines.vectors import keep_of, knowledge_or_nothing
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.pooling import masked_mean


class HFM(Baseline):
    """Hierarchical Fusion Model: Cai, Cai and Wan, "Multi-Modal Sarcasm Detection in Twitter with Hierarchical Fusion
    Model", ACL 2019.

    The attributes of the image are the knowledge stream.

    - Guidance vectors: ``v_image`` the mean of the region vectors; ``v_attribute = sum_i a_i e_i`` with
      ``a = softmax(w^T tanh(W e_i + b))``; ``v_text`` the mean of the Bi-LSTM's states.
    - Early fusion: the Bi-LSTM starts from ``[h_f; c_f; h_b; c_b] = ReLU(W v_attribute + b)``.
    - Representation fusion: for modality m with vectors ``x_mi`` and every modality n,
      ``a_mn = softmax_i(w_mn^T tanh(W_mn [x_mi; v_n] + b_mn))``, ``a_m = mean_n a_mn``, ``u_m = sum_i a_mi x_mi``.
    - Modality fusion: ``b = softmax_m(w_m^T tanh(W_m u_m + b_m) + c_m)``, ``u = sum_m b_m tanh(V_m u_m + d_m)``.
    - ``ReLU(W u + b)``, the first of the paper's two fully connected layers; the classifier is the second.

    A sample without attributes starts its Bi-LSTM from zeros and leaves them out of every mean, softmax and sum; a
    model without a knowledge stream has only text and image throughout.

    Simplified against the paper: region vectors are the vision encoder's tokens or grid cells, not 14 x 14 crops each
    sent through ResNet-50; attributes are the word pieces of the knowledge text, not five words predicted by a fixed
    classifier; words are read from the text encoder (``text_encoder: embeddings:NAME`` for vectors without context, as
    GloVe's in the paper). The inner width of every attention is ``hidden_size``. The bias of a score that a
    softmax over tokens cancels is left out.

    Args:
        config: ``hidden_size`` (both directions of the Bi-LSTM together, and every inner width) and
            ``hidden_dropout_prob``.
        widths: Feature width by stream name.

    Raises:
        ModelError: When text or image is missing.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image")

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int]) -> None:
        super().__init__(config, widths)
        size = config.hidden_size
        state = max(1, size // 2)
        self.lstm = MaskedLSTM(widths["text"], state, bidirectional=True)
        self.names = tuple(name for name in ("text", "image", "knowledge") if name in widths)
        width = {**widths, "text": self.lstm.output_size}
        self.knowledge_width = widths.get("knowledge", 0)
        if self.knowledge_width:
            self.attribute_attention = GuidedAttention(self.knowledge_width, (), size)
            self.early_fusion = nn.Linear(self.knowledge_width, 4 * state)
        self.representation_fusion = nn.ModuleDict(
            {
                f"{name}_by_{guide}": GuidedAttention(width[name], (width[guide],), size)
                for name in self.names
                for guide in self.names
            }
        )
        self.importance = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(width[name], size), nn.Tanh(), nn.Linear(size, 1)) for name in self.names}
        )
        self.transform = nn.ModuleDict({name: nn.Linear(width[name], size) for name in self.names})
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(size, size)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`."""
        tokens: dict[str, Stream] = {"image": streams["image"]}
        guides = {"image": masked_mean(streams["image"].hidden, streams["image"].mask)}
        initial = None
        everywhere = torch.ones(guides["image"].shape[0], dtype=torch.bool, device=guides["image"].device)
        present = {"text": everywhere, "image": everywhere}
        if self.knowledge_width:
            attributes = tokens["knowledge"] = knowledge_or_nothing(streams, self.knowledge_width)
            present["knowledge"] = keep_of(attributes).any(dim=1)
            weights = self.attribute_attention(attributes.hidden, attributes.mask)
            guides["knowledge"] = (weights.unsqueeze(1) @ attributes.hidden).squeeze(1)
            initial = self._initial(guides["knowledge"], present["knowledge"])
        text = streams["text"]
        states, _ = self.lstm(self.dropout(text.hidden), text.mask, initial)
        tokens["text"] = Stream(states, text.mask)
        guides["text"] = masked_mean(states, text.mask)

        exists = torch.stack([present[name] for name in self.names], dim=1)
        summaries = {name: self._attend(name, tokens[name], guides, exists) for name in self.names}
        scores = torch.cat([self.importance[name](summaries[name]) for name in self.names], dim=1)
        values = torch.stack([torch.tanh(self.transform[name](summaries[name])) for name in self.names], dim=1)
        fused = (masked_softmax(scores, exists).unsqueeze(-1) * values).sum(dim=1)
        return Stream(torch.relu(self.dense(self.dropout(fused))).unsqueeze(1))

    def _initial(self, attributes: torch.Tensor, present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the initial hidden and cell states, (2, B, state) each."""
        start = torch.relu(self.early_fusion(attributes)) * present.unsqueeze(-1)
        forward_h, forward_c, backward_h, backward_c = start.chunk(4, dim=-1)
        return torch.stack([forward_h, backward_h]), torch.stack([forward_c, backward_c])

    def _attend(self, name: str, tokens: Stream, guides: dict[str, torch.Tensor], exists: torch.Tensor) -> torch.Tensor:
        """Return one modality's vector; its attention is averaged over the existing guides."""
        attentions: list[torch.Tensor] = [
            self.representation_fusion[f"{name}_by_{guide}"](tokens.hidden, tokens.mask, guides[guide])
            for guide in self.names
        ]
        weights = masked_mean(torch.stack(attentions, dim=1), exists)
        return (weights.unsqueeze(1) @ tokens.hidden).squeeze(1)
