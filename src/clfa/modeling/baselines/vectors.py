"""Pooling of an encoder's token features to one vector per sample, as the encoder itself does it."""

from __future__ import annotations

from typing import Any

import torch

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.pooling import masked_mean

# Vision encoders whose first token is a class token; all others use the mean over tokens.
_CLASS_TOKEN = ("vit", "deit", "beit", "data2vec-vision", "dinov2", "vit_mae", "vit_msn", "clip_vision_model")
# Text encoders whose sentence vector is not the first token's.
_LAST_TOKEN = ("clip_text_model",)
_NO_CONTEXT = ("clfa_static_embeddings",)


def _model_type(encoder: Any) -> str:
    return "" if encoder is None else str(encoder.model_type)


def has_class_token(vision_type: str) -> bool:
    """Return whether :func:`image_vector` is the class token of a vision encoder of this ``model_type``."""
    return vision_type in _CLASS_TOKEN


def keep_of(stream: Stream) -> torch.Tensor:
    """Return the boolean mask of a stream's tokens (B, N)."""
    if stream.mask is None:
        return torch.ones(stream.hidden.shape[:2], dtype=torch.bool, device=stream.hidden.device)
    return stream.mask.bool()


def text_vector(stream: Stream, config: CLFAConfig) -> torch.Tensor:
    """Return the text's vector: [CLS], CLIP's last token (end of text), or the masked mean of static embeddings.

    Args:
        stream: Text features (B, T, width).
        config: Configuration with the text encoder.

    Returns:
        (B, width).
    """
    kind = _model_type(config.text_config)
    if kind in _NO_CONTEXT:
        return masked_mean(stream.hidden, stream.mask)
    if kind not in _LAST_TOKEN:
        return stream.hidden[:, 0]
    positions = torch.arange(stream.hidden.shape[1], device=stream.hidden.device)
    last = (keep_of(stream) * positions).amax(dim=1)
    return stream.hidden[torch.arange(last.shape[0], device=last.device), last]


def image_vector(stream: Stream, config: CLFAConfig) -> torch.Tensor:
    """Return the image's vector: the class token of a transformer, or the masked mean of a grid.

    Args:
        stream: Image features (B, P, width).
        config: Configuration with the vision encoder.

    Returns:
        (B, width).
    """
    if has_class_token(_model_type(config.vision_config)):
        return stream.hidden[:, 0]
    return masked_mean(stream.hidden, stream.mask)


def knowledge_or_nothing(streams: dict[str, Stream], width: int) -> Stream:
    """Return the knowledge stream with a mask; one masked zero token if the batch has none."""
    if "knowledge" in streams:
        stream = streams["knowledge"]
        return stream._replace(mask=keep_of(stream))
    like = next(iter(streams.values())).hidden
    hidden = like.new_zeros(like.shape[0], 1, width)
    return Stream(hidden, torch.zeros(hidden.shape[:2], dtype=torch.bool, device=like.device))
