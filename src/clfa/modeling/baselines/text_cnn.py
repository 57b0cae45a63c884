"""TextCNN: convolutions of several widths over the words, with max pooling over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from clfa.errors import ModelError
from clfa.modeling.baselines.base import Baseline
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream


class TextCNN(Baseline):
    """Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014.

    With x_i the word vectors and x_{i:i+h-1} those of h neighbours side by side, a filter (w, b) of height h gives
    ``c_i = ReLU(w x_{i:i+h-1} + b)``; the feature is ``max_i c_i`` over the windows inside the text (section 2). All
    features, side by side and after dropout, go through one linear map, which with the classifier is the paper's one
    linear classifier.

    Simplified against the paper: one channel of word vectors (trained or, with ``model.freeze_text_encoder``, static)
    instead of one of each; weight decay instead of a bound on the norm of the classifier's weights. The paper's word
    vectors are word2vec's; ``text_encoder: embeddings:NAME`` uses an encoder's input embeddings instead. Only
    the text is read; set ``model.vision_encoder=null`` to save time.

    Args:
        config: ``hidden_size`` and ``hidden_dropout_prob`` (0.5 in the paper).
        widths: Feature width by stream name.
        filter_sizes: Heights h; 3, 4 and 5 in the paper.
        num_filters: Filters of each height; 100 in the paper.

    Raises:
        ModelError: When there is no text, or an option is below 1.
    """

    needs: ClassVar[tuple[str, ...]] = ("text",)

    def __init__(
        self,
        config: CLFAConfig,
        widths: Mapping[str, int],
        filter_sizes: Sequence[int] = (3, 4, 5),
        num_filters: int = 100,
    ) -> None:
        super().__init__(config, widths)
        if not filter_sizes or min(filter_sizes) < 1 or num_filters < 1:
            raise ModelError(
                "baseline 'text_cnn' needs filter_sizes and num_filters of at least 1; "
                f"they are {list(filter_sizes)} and {num_filters}."
            )
        self.filter_sizes = tuple(filter_sizes)
        # Unfolded windows and a linear layer are the same as a convolution, with the initialisation of linear layers.
        self.filters = nn.ModuleList(nn.Linear(size * widths["text"], num_filters) for size in self.filter_sizes)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(len(self.filter_sizes) * num_filters, config.hidden_size)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`; a text shorter than a filter is padded with zeros to its height."""
        hidden, mask, _ = streams["text"]
        lengths = torch.full((hidden.shape[0],), hidden.shape[1], device=hidden.device)
        if mask is not None:
            order = mask.int().argsort(dim=1, descending=True, stable=True)
            hidden = (hidden * mask.unsqueeze(-1)).gather(1, order.unsqueeze(-1).expand_as(hidden))
            lengths = mask.sum(dim=1)
        features = []
        for size, convolve in zip(self.filter_sizes, self.filters, strict=True):
            padded = F.pad(hidden, (0, 0, 0, max(0, size - hidden.shape[1])))
            # (B, windows, width, size) -> each window's words side by side.
            windows = padded.unfold(1, size, 1).transpose(2, 3).flatten(2)
            answers = torch.relu(convolve(windows))
            start = torch.arange(answers.shape[1], device=hidden.device)
            inside = start <= (lengths - size).clamp(min=0).unsqueeze(1)
            # ReLU outputs are at least 0, so that masked windows never change the maximum.
            features.append(answers.masked_fill(~inside.unsqueeze(-1), 0).amax(dim=1))
        return Stream(self.dense(self.dropout(torch.cat(features, dim=-1))).unsqueeze(1))
