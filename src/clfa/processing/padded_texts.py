"""Text encoders that read the padding of texts as tokens."""

from __future__ import annotations

import os

from transformers import AutoConfig

from clfa.pretrained import EMBEDDINGS_PREFIX, pretrained

# Text towers trained on texts padded to one length, without a mask: their summary of a text is at the last position.
_PADDED_TOWERS = ("siglip_text_model", "siglip2_text_model")


def reads_padding(text_encoder: str | os.PathLike[str]) -> bool:
    """Return whether a text encoder reads the padding of texts, up to one length, as tokens.

    Word embeddings of such an encoder do not.

    Args:
        text_encoder: Directory, hub id, ``package:NAME`` or ``embeddings:NAME``.

    Raises:
        ModelError: When there is no such model.
    """
    if os.fspath(text_encoder).startswith(EMBEDDINGS_PREFIX):
        return False
    config = pretrained(AutoConfig, text_encoder)
    return getattr(config, "text_config", config).model_type in _PADDED_TOWERS
