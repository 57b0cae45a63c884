"""Towers of two-tower models: their classes, and loading of one without the other."""

from __future__ import annotations

import inspect
import os
from typing import Any

import transformers
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_MAPPING

from clfa.errors import ModelError
from clfa.pretrained import pretrained_model

# Towers that Transformers' AutoModel does not know alone.
TOWERS = (
    "altclip_text_model",
    "altclip_vision_model",
    "chinese_clip_text_model",
    "metaclip_2_text_model",
    "metaclip_2_vision_model",
    "siglip_text_model",
    "siglip2_text_model",
)
# Models whose towers AutoModel knows, but not by the names that their weights have there.
_OTHER_NAMES = ("aimv2", "vision-text-dual-encoder")


def model_class(config: PreTrainedConfig) -> Any:
    """Return the class of a model or of a tower that can be loaded alone; ``None`` if there is none."""
    if config.model_type in TOWERS:
        return getattr(transformers, type(config).__name__.replace("Config", "Model"))
    found: Any = MODEL_MAPPING.get(type(config), None)
    return found[0] if isinstance(found, tuple) else found


def unused_pooler(config: PreTrainedConfig) -> dict[str, bool]:
    """Return the keyword that omits a pooler, if the architecture has one; CLFA does not use the pooler's output."""
    known = model_class(config)
    if known is None or "add_pooling_layer" not in inspect.signature(known).parameters:
        return {}
    return {"add_pooling_layer": False}


def load_tower(name: str | os.PathLike[str], config: PreTrainedConfig, tower: str) -> PreTrainedModel:
    """Load one tower of a two-tower model.

    Args:
        name: As for :func:`clfa.pretrained.resolve_pretrained`.
        config: The configuration of the two-tower model.
        tower: ``"text"`` or ``"vision"``.

    Raises:
        ModelError: When the model cannot be loaded, or its tower not alone.
    """
    tower_config = getattr(config, f"{tower}_config")
    known = model_class(tower_config)
    if known is None:
        raise ModelError(
            f"{os.fspath(name)!r} holds a {tower_config.model_type!r} tower, which cannot be loaded alone. "
            f"Give another {tower} encoder; a two-tower model can still be the guide (guide.model)."
        )
    encoder: PreTrainedModel
    if config.model_type in _OTHER_NAMES or tower_config.model_type in TOWERS:
        # The weights have names that the tower's own class does not find.
        encoder = getattr(pretrained_model(AutoModel, name, config=config), f"{tower}_model")
        if unused_pooler(tower_config) and getattr(encoder, "pooler", None) is not None:
            setattr(encoder, "pooler", None)  # noqa: B010 - its type is that of a module
        return encoder
    # The tower's own class, so that the configuration saved with CLFA rebuilds exactly this module.
    encoder = pretrained_model(known, name)
    return encoder
