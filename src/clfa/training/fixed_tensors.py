"""Tensors of a model that its training does not change; checkpoints leave them out."""

from __future__ import annotations

from typing import Any

from clfa.modeling.encoders import is_frozen
from clfa.training.lora import has_adapters


def fixed_tensors(module: Any) -> set[str]:
    """Return the names of the tensors of frozen encoders, and of the own weights of encoders with adapters.

    Args:
        module: A :class:`clfa.modeling.CLFAForClassification`.
    """
    found: set[str] = set()
    for name in ("text_encoder", "vision_encoder"):
        encoder = getattr(module.base_model, name)
        if encoder is None:
            continue
        own: list[str] = []
        if is_frozen(encoder):
            own = list(encoder.state_dict())
        elif has_adapters(encoder):
            # Not its buffers, such as the statistics of norms, which a training changes.
            own = [part for part, parameter in encoder.named_parameters() if not parameter.requires_grad]
        found |= {f"{module.base_model_prefix}.{name}.{part}" for part in own}
    return found
