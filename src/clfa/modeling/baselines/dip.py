"""DIP: separate branches for semantic and sentiment incongruity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from clfa.errors import ModelError
from clfa.modeling.baselines.base import Baseline
from clfa.modeling.baselines.labels import class_count, class_indices
from clfa.modeling.baselines.vectors import keep_of
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.pooling import masked_mean


class DIP(Baseline):
    """Dual Incongruity Perceiving network: Wen, Jia and Yang, "DIP: Dual Incongruity Perceiving Network for Sarcasm
    Detection", CVPR 2023.

    - Tokens T and V of text and image, mapped to width d; ``M = ReLU(conv(conv(V T^T)))`` with 3 x 3 kernels and
      ``conv_channels`` channels between; every token is gated by the sigmoid of its mean in M, ``t`` and ``v`` are the
      means of the gated tokens.
    - Semantic branch: ``t' = t + t * u`` with u the variance of every channel over samples, L2-normalised, and v'
      likewise. ``c = cos(t', v')`` is compared with the Gaussians of the cosines of each class's training samples,
      ``l_k = N(c; m_k, s_k) / sum_j N(c; m_j, s_j)``.
    - Sentiment branch: ``e_m = W m + b``, ``p_m = w^T ReLU(e_m)`` for m of t and v, ``g = |p_t - p_v|``.
    - ``out = W [t'; v'; e_t; e_v; g; l] + b``.
    - In training the loss has one further term, ``KL(q || softmax_j(cos(e_v,i, e_t,j) / 0.2))`` with
      ``q_ij = softmax_j(-|p_v,i - p_t,j|)`` without gradient: samples with similar sentiment should be close.

    Simplified against the paper: the paper first trains p_t on the SenticNet polarity of the post's words. Word
    polarities are not an input here, so that p is learnt from the labels only and "sentiment" is only the name of the
    branch. Channel variances and the Gaussians are running averages over training batches (in the paper: the variance
    within the current batch, and queues of past cosines), so that a prediction does not depend on the other samples of
    its batch. Densities are normalised over the classes, of which there may be more than two, and g and l are features
    of the last linear layer instead of being added to a single logit with fixed weights. The bias of p cancels in the
    differences and is left out. For tasks without one class per sample no Gaussian is fitted and l stays uniform.
    Knowledge is not read.

    Args:
        config: ``hidden_size`` and ``hidden_dropout_prob``; one Gaussian per class name.
        widths: Feature width by stream name.
        contrast_weight: Of the further loss.
        momentum: Weight of a batch in the running averages.
        conv_channels: Channels between the two convolutions (64 in the paper).

    Raises:
        ModelError: When text or image is missing, or an option is out of range.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image")
    variances: torch.Tensor
    means: torch.Tensor
    squares: torch.Tensor
    seen: torch.Tensor

    def __init__(
        self,
        config: CLFAConfig,
        widths: Mapping[str, int],
        contrast_weight: float = 1.0,
        momentum: float = 0.1,
        conv_channels: int = 64,
    ) -> None:
        super().__init__(config, widths)
        if not 0 < momentum <= 1 or conv_channels < 1:
            raise ModelError(
                "baseline 'dip' needs momentum above 0 and at most 1 and conv_channels of at least 1; "
                f"they are {momentum} and {conv_channels}."
            )
        size, classes = config.hidden_size, class_count(config)
        self.config = config
        self.contrast_weight = contrast_weight
        self.momentum = momentum
        self.projections = nn.ModuleDict({name: nn.Linear(widths[name], size) for name in ("text", "image")})
        self.first = nn.Conv2d(1, conv_channels, 3, padding=1)
        self.second = nn.Conv2d(conv_channels, 1, 3, padding=1)
        self.sentiment = nn.Linear(size, size)
        self.polarity = nn.Linear(size, 1, bias=False)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(4 * size + 1 + classes, size)
        # Row 0 text, row 1 image.
        self.register_buffer("variances", torch.zeros(2, size))
        self.register_buffer("means", torch.zeros(classes))
        self.register_buffer("squares", torch.zeros(classes))
        self.register_buffer("seen", torch.zeros(classes, dtype=torch.bool))

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`; the further tokens are t', v', e_t and e_v, for the loss, and are masked."""
        pooled = torch.stack(self._gated(streams["text"], streams["image"]), dim=1)
        if self.training:
            self._track_variances(pooled.detach())
        semantic = pooled * (1 + F.normalize(self.variances, dim=-1).to(pooled.dtype))
        sentiment = self.sentiment(pooled)
        polarity = self._polarity(sentiment)
        gap = (polarity[:, 0] - polarity[:, 1]).abs().unsqueeze(-1)
        likelihood = self._likelihood(F.cosine_similarity(semantic[:, 0], semantic[:, 1], dim=-1))
        parts = torch.cat([semantic.flatten(1), sentiment.flatten(1), gap, likelihood.to(gap.dtype)], dim=-1)
        fused = self.dense(self.dropout(parts)).unsqueeze(1)
        tokens = torch.cat([fused, semantic.to(fused.dtype), sentiment.to(fused.dtype)], dim=1)
        mask = torch.zeros(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        mask[:, 0] = True
        return Stream(tokens, mask)

    def _gated(self, text: Stream, image: Stream) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the means of the tokens (B, D) each, gated by their correlation with the other modality's tokens."""
        words, regions = self.projections["text"](text.hidden), self.projections["image"](image.hidden)
        keep_words, keep_regions = keep_of(text), keep_of(image)
        exists = (keep_regions.unsqueeze(2) & keep_words.unsqueeze(1)).unsqueeze(1)
        # Masked positions are zero before each convolution, like the padding at the border.
        correlation = self.first((regions @ words.transpose(1, 2)).unsqueeze(1) * exists) * exists
        correlation = (torch.relu(self.second(correlation)) * exists).squeeze(1)
        of_words = correlation.sum(dim=1) / keep_regions.sum(dim=1, keepdim=True).clamp(min=1)
        of_regions = correlation.sum(dim=2) / keep_words.sum(dim=1, keepdim=True).clamp(min=1)
        return (
            masked_mean(words * torch.sigmoid(of_words).unsqueeze(-1), keep_words),
            masked_mean(regions * torch.sigmoid(of_regions).unsqueeze(-1), keep_regions),
        )

    def _polarity(self, sentiment: torch.Tensor) -> torch.Tensor:
        polarity: torch.Tensor = self.polarity(torch.relu(sentiment)).squeeze(-1)
        return polarity

    @torch.no_grad()
    def _track_variances(self, pooled: torch.Tensor) -> None:
        self.variances.lerp_(pooled.var(dim=0, unbiased=False).to(self.variances.dtype), self.momentum)

    def _likelihood(self, cosine: torch.Tensor) -> torch.Tensor:
        """Return each class's share of the density (B, classes), without gradient; uniform until all were seen."""
        cosine = cosine.detach().to(self.means.dtype)
        if not bool(self.seen.all()):
            return cosine.new_full((len(cosine), len(self.means)), 1 / len(self.means))
        variance = (self.squares - self.means.square()).clamp(min=1e-4)
        return (-(cosine.unsqueeze(-1) - self.means).square() / (2 * variance) - variance.log() / 2).softmax(dim=-1)

    @torch.no_grad()
    def _track_cosines(self, cosine: torch.Tensor, labels: torch.Tensor) -> None:
        """Update the Gaussians of the classes in the batch."""
        for label in labels.unique().tolist():
            own = cosine[labels == label].to(self.means.dtype)
            weight = self.momentum if self.seen[label] else 1.0
            self.means[label] += weight * (own.mean() - self.means[label])
            self.squares[label] += weight * (own.square().mean() - self.squares[label])
            self.seen[label] = True

    def auxiliary_loss(self, streams: dict[str, Stream], fused: Stream, labels: torch.Tensor) -> torch.Tensor | None:
        """Compute the contrastive loss of the sentiment branch; also update the Gaussians with the batch's cosines."""
        _, text, image, text_sentiment, image_sentiment = fused.hidden.unbind(dim=1)
        classes = class_indices(self.config, labels)
        if classes is not None:
            cosine = F.cosine_similarity(text, image, dim=-1).detach()
            self._track_cosines(cosine[classes >= 0], classes[classes >= 0])
        with torch.no_grad():
            gaps = (self._polarity(image_sentiment).unsqueeze(1) - self._polarity(text_sentiment).unsqueeze(0)).abs()
            wanted = (-gaps).softmax(dim=1)
        similarity = F.normalize(image_sentiment, dim=-1) @ F.normalize(text_sentiment, dim=-1).T
        return self.contrast_weight * F.kl_div((similarity / 0.2).log_softmax(dim=1), wanted, reduction="batchmean")
