"""Bi-LSTM: a bidirectional LSTM over the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import nn

from clfa.errors import ModelError
from clfa.modeling.baselines.base import Baseline
from clfa.modeling.baselines.recurrent import MaskedLSTM
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream


class BiLSTM(Baseline):
    """Graves and Schmidhuber, "Framewise phoneme classification with bidirectional LSTM and other neural network
    architectures", Neural Networks 18, 2005: the Bi-LSTM row of the sarcasm tables.

    One LSTM reads x_1 ... x_n, another x_n ... x_1. The text's vector is ``[h_n forwards; h_1 backwards]``; it passes
    dropout and a linear layer, which together with the classifier is one linear classifier.

    Simplified against the paper: the paper labels every frame. The sarcasm tables only name "Bi-LSTM"; the two final
    states as the text's vector are the usual interpretation. The tables use GloVe vectors; ``text_encoder:
    embeddings:NAME`` uses an encoder's input embeddings instead. Only the text is read; set
    ``model.vision_encoder=null`` to save time.

    Args:
        config: ``hidden_size`` and ``hidden_dropout_prob``, the latter also between layers.
        widths: Feature width by stream name.
        num_layers: Number of layers.
        lstm_size: Width of a state per direction; half of ``hidden_size`` when not given.

    Raises:
        ModelError: When there is no text, or an option is below 1.
    """

    needs: ClassVar[tuple[str, ...]] = ("text",)

    def __init__(
        self, config: CLFAConfig, widths: Mapping[str, int], num_layers: int = 1, lstm_size: int | None = None
    ) -> None:
        super().__init__(config, widths)
        size = max(1, config.hidden_size // 2) if lstm_size is None else lstm_size
        if num_layers < 1 or size < 1:
            raise ModelError(
                "baseline 'bi_lstm' needs num_layers and lstm_size of at least 1; "
                f"they are {num_layers} and {lstm_size}."
            )
        self.lstm = MaskedLSTM(
            widths["text"], size, num_layers, bidirectional=True, dropout=float(config.hidden_dropout_prob)
        )
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(self.lstm.output_size, config.hidden_size)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`."""
        _, final = self.lstm(streams["text"].hidden, streams["text"].mask)
        return Stream(self.dense(self.dropout(final)).unsqueeze(1))
