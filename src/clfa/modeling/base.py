"""Base class of the CLFA models: loading, saving, initialisation, and construction from two encoders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init

from clfa.cpu import speed_up
from clfa.errors import ModelError
from clfa.files import follow_umask
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.encoders import load_encoder
from clfa.pretrained import check_finite


def _encoder_config(encoder: PreTrainedModel) -> dict[str, Any]:
    """Return an encoder's configuration without the class names of a classifier."""
    return {k: v for k, v in encoder.config.to_dict().items() if k not in ("id2label", "label2id")}


class CLFAPreTrainedModel(PreTrainedModel):
    """Loading, saving and initialisation shared by the CLFA models."""

    config_class = CLFAConfig
    base_model_prefix = "clfa"
    main_input_name = "input_ids"
    _supports_sdpa = True
    # See :meth:`from_pretrained`.
    checks_weights = True
    # The keyword arguments of the forward pass are further streams, not the Trainer's loss arguments.
    accepts_loss_kwargs = False

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initialise linear layers as PyTorch does, as in the authors' code (not BERT's normal(0, 0.02))."""
        if isinstance(module, nn.Linear):
            init.kaiming_uniform_(module.weight, a=5**0.5)
            if module.bias is not None:
                bound = module.in_features**-0.5
                init.uniform_(module.bias, -bound, bound)
        else:
            super()._init_weights(module)

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load a model as in Transformers, freeze its encoders as set in the configuration, and speed it up on CPUs.

        See :func:`clfa.cpu.speed_up`.

        Raises:
            ModelError: If a weight is not a finite number.
        """
        loaded = super().from_pretrained(*args, **kwargs)
        model: Any = loaded[0] if isinstance(loaded, tuple) else loaded
        check_finite(model, args[0] if args else kwargs.get("pretrained_model_name_or_path", ""))
        # Loading replaces the parameters that were frozen when the model was built.
        model.base_model.freeze_encoders()
        speed_up(model)
        return loaded

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Save a model as in Transformers, readable as the umask says; safetensors makes private files."""
        try:
            super().save_pretrained(save_directory, *args, **kwargs)
        except SafetensorError as error:
            # For instance a full disk.
            raise OSError(f"{os.fspath(save_directory)} cannot be written: {error}") from error
        follow_umask(save_directory, "*.safetensors")

    @classmethod
    def from_encoders(
        cls,
        text_encoder: str | os.PathLike[str] | PreTrainedModel | None,
        vision_encoder: str | os.PathLike[str] | PreTrainedModel | None,
        label_names: Sequence[str] = (),
        **config: Any,
    ) -> Any:
        """Create a model with pretrained encoders and a new head, sped up for CPUs (:func:`clfa.cpu.speed_up`).

        Args:
            text_encoder: Directory, hub id, ``package:NAME`` or a loaded encoder; ``None`` for an image-only model. A
                loaded encoder is not changed; call :func:`clfa.cpu.speed_up` on the model to replace its layers, too.
            vision_encoder: As ``text_encoder``; ``None`` for a text-only model.
            label_names: Class names, stored in the configuration.
            config: Further fields of :class:`CLFAConfig`.

        Returns:
            The model in training mode; completely frozen encoders are in evaluation mode.

        Raises:
            ModelError: When an encoder cannot be loaded or neither is given.
        """
        text = load_encoder(text_encoder, "text") if isinstance(text_encoder, str | os.PathLike) else text_encoder
        vision = (
            load_encoder(vision_encoder, "vision") if isinstance(vision_encoder, str | os.PathLike) else vision_encoder
        )
        if text is None and vision is None:
            raise ModelError("a CLFA model needs a text encoder, a vision encoder, or both; neither was given.")
        if label_names:
            config["id2label"] = dict(enumerate(label_names))
            config["label2id"] = {name: index for index, name in enumerate(label_names)}
        model = cls(
            CLFAConfig(
                text_config=None if text is None else _encoder_config(text),
                vision_config=None if vision is None else _encoder_config(vision),
                **config,
            ),
            text_encoder=text,
            vision_encoder=vision,
        )
        passed_in = [encoder for encoder in (text_encoder, vision_encoder) if isinstance(encoder, nn.Module)]
        # Loaded encoders are in evaluation mode.
        return speed_up(model, spared=passed_in).train()
