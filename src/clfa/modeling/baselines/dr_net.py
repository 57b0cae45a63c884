"""D&R Net: differences between text and image, and the relation of words to the image's adjective-noun pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from clfa.modeling.baselines.base import Baseline
from clfa.modeling.baselines.guided_attention import masked_softmax
from clfa.modeling.baselines.recurrent import MaskedLSTM
from clfa.modeling.baselines.vectors import keep_of, knowledge_or_nothing
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.pooling import masked_mean


class DRNet(Baseline):
    """Decomposition and Relation Network: Xu, Zeng and Mao, "Reasoning with Multimodal Sarcastic Tweets via Modeling
    Cross-Modality Contrast and Semantic Association", ACL 2020.

    The adjective-noun pairs (ANPs) of the image are the knowledge stream, and it is required.

    - ``x_text = tanh(W_t mean_i h_i + b)`` with Bi-LSTM states h, ``x_image = tanh(W_v mean_j r_j + b)``.
    - Decomposition: ``s_m = S x_m`` into the space both share, ``p_m = P_m x_m`` into one of each modality's own;
      the two private vectors are the contrast. ``y_m = R_m [s_m; p_m]`` has to give x_m back.
    - Relation: every ANP token a_k is a view of the text, ``r_k = sum_i softmax_i(h_i^T W a_k / sqrt(d)) h_i``; the
      views are weighted, ``r = sum_k softmax_k(u^T tanh(U a_k)) r_k``.
    - ``out = ReLU(W [p_text; p_image; r] + b)``.
    - In training the loss has two further terms: reconstruction, ``mean (x_m - y_m)^2``, and orthogonality,
      ``||S P_m^T||_F^2 / d^2``, both summed over m.

    A sample without ANPs has r = 0.

    Simplified against the paper: implemented from its description, because there is no public code. The bilinear form
    of the ANP attention, the linear reconstruction and the scale of the extra terms were chosen here. SentiBank's
    detector is not part of this library: ANPs are the knowledge text of the data; every word piece is a view, weighted
    by a learnt score instead of the detector's probability. Regions are the vision encoder's tokens.

    Args:
        config: ``hidden_size`` (every inner width) and ``hidden_dropout_prob``.
        widths: Feature width by stream name.
        reconstruction_weight: Of the reconstruction loss.
        orthogonality_weight: Of the orthogonality loss.

    Raises:
        ModelError: When text, image or knowledge is missing.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image", "knowledge")

    def __init__(
        self,
        config: CLFAConfig,
        widths: Mapping[str, int],
        reconstruction_weight: float = 1.0,
        orthogonality_weight: float = 1.0,
    ) -> None:
        super().__init__(config, widths)
        size = config.hidden_size
        self.knowledge_width = widths["knowledge"]
        self.reconstruction_weight = reconstruction_weight
        self.orthogonality_weight = orthogonality_weight
        self.lstm = MaskedLSTM(widths["text"], max(1, size // 2), bidirectional=True)
        self.inputs = nn.ModuleDict(
            {"text": nn.Linear(self.lstm.output_size, size), "image": nn.Linear(widths["image"], size)}
        )
        self.shared = nn.Linear(size, size, bias=False)
        self.private = nn.ModuleDict({name: nn.Linear(size, size, bias=False) for name in ("text", "image")})
        self.reconstruction = nn.ModuleDict({name: nn.Linear(2 * size, size) for name in ("text", "image")})
        self.association = nn.Linear(widths["knowledge"], self.lstm.output_size, bias=False)
        self.view = nn.Linear(widths["knowledge"], size)
        self.view_score = nn.Linear(size, 1, bias=False)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(2 * size + self.lstm.output_size, size)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`; the further tokens are x_text and x_image, for the loss, and are masked."""
        text, image = streams["text"], streams["image"]
        states, _ = self.lstm(self.dropout(text.hidden), text.mask)
        pooled = {
            "text": torch.tanh(self.inputs["text"](masked_mean(states, text.mask))),
            "image": torch.tanh(self.inputs["image"](masked_mean(image.hidden, image.mask))),
        }
        contrast = [self.private[name](vector) for name, vector in pooled.items()]
        relation = self._relation(Stream(states, keep_of(text)), knowledge_or_nothing(streams, self.knowledge_width))
        fused = torch.relu(self.dense(self.dropout(torch.cat([*contrast, relation], dim=-1))))
        tokens = torch.stack([fused, pooled["text"], pooled["image"]], dim=1)
        mask = torch.zeros(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        mask[:, 0] = True
        return Stream(tokens, mask)

    def _relation(self, text: Stream, pairs: Stream) -> torch.Tensor:
        """Return the weighted sum of the ANP tokens' views of the text (B, Bi-LSTM width); zeros without ANPs."""
        scores = self.association(pairs.hidden) @ text.hidden.transpose(1, 2) / text.hidden.shape[-1] ** 0.5
        views = masked_softmax(scores, keep_of(text).unsqueeze(1)) @ text.hidden
        importance = self.view_score(torch.tanh(self.view(pairs.hidden))).squeeze(-1)
        return (masked_softmax(importance, pairs.mask).unsqueeze(1) @ views).squeeze(1)

    def auxiliary_loss(self, streams: dict[str, Stream], fused: Stream, labels: torch.Tensor) -> torch.Tensor | None:
        """Return the weighted losses of reconstruction and orthogonality; see the class."""
        total = fused.hidden.new_zeros(())
        for position, name in enumerate(("text", "image"), start=1):
            vector = fused.hidden[:, position]
            private: Any = self.private[name]
            parts = torch.cat([self.shared(vector), private(vector)], dim=-1)
            error = (vector - self.reconstruction[name](parts)).square().mean()
            overlap = (self.shared.weight @ private.weight.T).square().mean()
            total = total + self.reconstruction_weight * error + self.orthogonality_weight * overlap
        return total
