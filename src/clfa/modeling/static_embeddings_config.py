"""Configuration of context-free word embeddings, which is read without PyTorch."""

# No `from __future__ import annotations` here: @strict checks values against the annotations and skips strings.
from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig


@strict
class StaticEmbeddingsConfig(PreTrainedConfig):
    """Configuration of :class:`clfa.modeling.static_embeddings.StaticEmbeddingsModel`.

    Args:
        vocab_size: Number of word pieces.
        hidden_size: Width of an embedding.
    """

    model_type = "clfa_static_embeddings"

    vocab_size: int = 30522
    hidden_size: int = 384


AutoConfig.register("clfa_static_embeddings", StaticEmbeddingsConfig)
