"""Context-free word embeddings as a text encoder, for baselines older than BERT."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from clfa.modeling.static_embeddings_config import StaticEmbeddingsConfig


class StaticEmbeddingsModel(PreTrainedModel):
    """One embedding per word piece, independent of context.

    ``text_encoder: embeddings:NAME`` in a recipe selects it: the input embeddings of the pretrained encoder NAME, used
    as papers before BERT use GloVe vectors.

    Args:
        config: Configuration of the model.
    """

    config_class = StaticEmbeddingsConfig
    base_model_prefix = "embeddings"
    main_input_name = "input_ids"

    def __init__(self, config: StaticEmbeddingsConfig) -> None:
        super().__init__(config)
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.post_init()

    @classmethod
    def of(cls, encoder: PreTrainedModel) -> StaticEmbeddingsModel:
        """Create a model with a copy of a text encoder's input embeddings."""
        weight: Any = encoder.get_input_embeddings().weight
        model = cls(StaticEmbeddingsConfig(vocab_size=weight.shape[0], hidden_size=weight.shape[1]))
        with torch.no_grad():
            model.word_embeddings.weight.copy_(weight)
        return model.eval()

    def get_input_embeddings(self) -> nn.Module:
        """Return the embedding table."""
        return self.word_embeddings

    def forward(self, input_ids: torch.Tensor, **kwargs: Any) -> BaseModelOutput:
        """Token ids (B, T) -> ``last_hidden_state`` (B, T, ``hidden_size``)."""
        return BaseModelOutput(last_hidden_state=self.word_embeddings(input_ids))


AutoModel.register(StaticEmbeddingsConfig, StaticEmbeddingsModel)
