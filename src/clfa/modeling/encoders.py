"""Loading, calling and freezing of Transformers text and vision encoders."""

from __future__ import annotations

import inspect
import math
import os
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from clfa.cpu import speed_up
from clfa.errors import ModelError
from clfa.modeling.static_embeddings import StaticEmbeddingsModel
from clfa.modeling.towers import TOWERS, load_tower, model_class, unused_pooler
from clfa.packages import efficientnet_lite as _efficientnet_lite  # noqa: F401 - registers its Auto classes
from clfa.pretrained import EMBEDDINGS_PREFIX, pretrained, pretrained_model

# Fields of a configuration with the width of token features, in order of preference.
_WIDTH_FIELDS = ("hidden_size", "d_model", "dim", "hidden_dim")
# The same in architectures that give their tokens another width.
_WIDTH_OF = {"altclip_text_model": "project_dim"}
# Vision towers that apply their last norm to the pooled output alone.
_NORM_OF_POOLED = (
    "clip_vision_model",
    "altclip_vision_model",
    "chinese_clip_vision_model",
    "metaclip_2_vision_model",
)


def encoder_width(config: PreTrainedConfig) -> int:
    """Return the width of an encoder's token features.

    Raises:
        ModelError: When the configuration has no known width field.
    """
    sizes = getattr(config, "hidden_sizes", None)
    if sizes:
        return int(sizes[-1])
    for field in (_WIDTH_OF.get(config.model_type, ""), *_WIDTH_FIELDS):
        if isinstance(getattr(config, field, None), int):
            return int(getattr(config, field))
    raise ModelError(f"cannot tell the feature width of a {config.model_type!r} encoder from its configuration.")


def most_tokens(encoder: nn.Module) -> int | None:
    """Return the largest number of tokens that a text encoder has positions for; ``None`` if it learns no positions."""
    positions = next(
        (
            module
            for name, module in encoder.named_modules()
            # The latter is the name in CLIP.
            if name.rpartition(".")[2] in ("position_embeddings", "position_embedding")
            and isinstance(module, nn.Embedding)
        ),
        None,
    )
    if positions is None:
        return None
    # RoBERTa and its relatives count positions from behind that of padding.
    return positions.num_embeddings - (0 if positions.padding_idx is None else positions.padding_idx + 1)


def build_encoder(config: PreTrainedConfig) -> PreTrainedModel:
    """Create an encoder with random weights from a configuration."""
    loader = model_class(config)._from_config if config.model_type in TOWERS else AutoModel.from_config
    encoder: PreTrainedModel = loader(config, **unused_pooler(config))
    return encoder


def load_encoder(name: str | os.PathLike[str], tower: str) -> PreTrainedModel:
    """Load a pretrained encoder with faster layers for CPUs (:func:`clfa.cpu.speed_up`).

    Args:
        name: Directory, hub id or ``package:NAME``. For a CLIP-like two-tower model, the named tower is loaded; for
            ``embeddings:NAME``, only the input embeddings.
        tower: ``"text"`` or ``"vision"``.

    Raises:
        ModelError: When the encoder cannot be loaded, the model has no such tower or cannot be called as an encoder, or
            word embeddings are requested as a vision encoder.
    """
    if os.fspath(name).startswith(EMBEDDINGS_PREFIX):
        if tower != "text":
            raise ModelError(
                f"{os.fspath(name)!r} are word embeddings; a vision encoder has none: leave out {EMBEDDINGS_PREFIX!r}."
            )
        return StaticEmbeddingsModel.of(load_encoder(os.fspath(name).removeprefix(EMBEDDINGS_PREFIX), tower))
    config = pretrained(AutoConfig, name)
    encoder: PreTrainedModel
    if getattr(config, f"{tower}_config", None) is not None:
        encoder = load_tower(name, config, tower)
    else:
        encoder = pretrained_model(AutoModel, name, config=config, **unused_pooler(config))
    _check_encoder(encoder, tower, name)
    return speed_up(encoder, layers_only=True)


def _check_encoder(encoder: PreTrainedModel, tower: str, name: str | os.PathLike[str]) -> None:
    """Check that a model can be called as a text or vision encoder."""
    problem = _problem_of_input(encoder, tower)
    if problem is None and tower == "text":
        problem = _problem_of_output(encoder)
    if problem is not None:
        raise ModelError(
            f"{os.fspath(name)!r} cannot be the {tower} encoder: {type(encoder).__name__} {problem}. Give another "
            f"model as model.{tower}_encoder."
        )


def _problem_of_input(encoder: PreTrainedModel, tower: str) -> str | None:
    if hasattr(encoder, "get_text_features") or hasattr(encoder, "get_image_features"):
        return "reads texts and pictures, and its towers cannot be loaded alone"
    given, reads = ("input_ids", "texts") if tower == "text" else ("pixel_values", "pictures")
    parameters = inspect.signature(encoder.forward).parameters
    if given not in parameters:
        return f"does not read {reads}"
    further = [
        parameter.name
        for parameter in parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and parameter.name != given
    ]
    # For instance the shapes of pictures that are not resized to one size.
    return f"needs further inputs ({', '.join(further)}), which are not made here" if further else None


def _problem_of_output(encoder: PreTrainedModel) -> str | None:
    ids = torch.zeros(1, 2, dtype=torch.long)
    try:
        # Not in inference mode: buffers that a model keeps from one call to the next could not be used in training.
        with torch.no_grad():
            hidden = encode_text(encoder, ids, torch.ones_like(ids))
    except Exception as error:  # Whatever a model that reads no text alone raises.
        return f"fails on a text ({' '.join(str(error).split())})"
    if hidden.dim() == 3 and hidden.shape[-1] == encoder_width(encoder.config):
        return None
    return f"returns the shape {tuple(hidden.shape)} for a text of 2 tokens"


def load_config(name: str | os.PathLike[str]) -> PreTrainedConfig:
    """Load the configuration of the model at ``name`` (directory, hub id or ``package:NAME``)."""
    return pretrained(AutoConfig, name)


def tokens_of(last_hidden_state: torch.Tensor) -> torch.Tensor:
    """Return token features (B, N, D); a convolutional grid (B, D, H, W) is flattened row by row."""
    if last_hidden_state.dim() == 4:
        return last_hidden_state.flatten(2).transpose(1, 2)
    return last_hidden_state


def encode_text(
    encoder: nn.Module,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    token_type_ids: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the last hidden states (B, T, D) of a text encoder; values at padding are undefined.

    Args:
        encoder: A loaded encoder.
        input_ids: (B, T).
        attention_mask: 1 where a token exists (B, T); ``None`` when all do.
        token_type_ids: (B, T), for encoders that take them.
    """
    given = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
    return encoder(
        input_ids=input_ids, **{name: values for name, values in given.items() if values is not None}
    ).last_hidden_state


def last_norm(encoder: nn.Module) -> nn.Module | None:
    """Return the last norm of a vision tower that applies it to its pooled output alone, as CLIP's does; else ``None``.

    Args:
        encoder: A vision encoder.
    """
    if getattr(encoder.config, "model_type", "") not in _NORM_OF_POOLED:
        return None
    tower: Any = getattr(encoder, "vision_model", encoder)
    norm: nn.Module = tower.post_layernorm
    return norm


def encode_image(encoder: nn.Module, pixel_values: torch.Tensor) -> torch.Tensor:
    """Return the token features (B, P, D) of a vision encoder: patch tokens with [CLS] after the last norm, or cells.

    The vision towers of CLIP and its relatives apply their last norm only to the pooled output; here it is applied to
    all tokens.
    """
    tokens = tokens_of(encoder(pixel_values=pixel_values).last_hidden_state)
    norm = last_norm(encoder)
    return tokens if norm is None else norm(tokens)


def pool_grid(tokens: torch.Tensor, size: int | None) -> torch.Tensor:
    """Average-pool a square grid of cells.

    Args:
        tokens: Grid cells row by row (B, G * G, D).
        size: Cells per side after pooling; ``None`` or G returns the tokens unchanged.

    Returns:
        (B, size * size, D).

    Raises:
        ModelError: When the tokens are not a square grid, as for a transformer with [CLS].
    """
    if size is None or tokens.shape[1] == size * size:
        return tokens
    side = math.isqrt(tokens.shape[1])
    if side * side != tokens.shape[1] or size > side:
        raise ModelError(f"image_grid_size={size} does not fit {tokens.shape[1]} image tokens; leave it out.")
    grid = tokens.transpose(1, 2).unflatten(2, (side, side))
    return F.adaptive_avg_pool2d(grid, size).flatten(2).transpose(1, 2)


def freeze(encoder: nn.Module, extent: bool | int) -> None:
    """Stop gradients in an encoder.

    Args:
        encoder: The encoder.
        extent: ``False`` freezes nothing, ``True`` everything, a number k the embeddings and the lowest k layers.

    Raises:
        ModelError: When a number is given and the encoder has no list of layers, or fewer of them.
    """
    if extent is False:
        return
    if extent is True:
        encoder.requires_grad_(False)
        return
    layers = next(
        (
            module
            for name, module in encoder.named_modules()
            # A list inside another list is a stage of a convolutional encoder, not a list of transformer layers.
            if isinstance(module, nn.ModuleList)
            and name.rpartition(".")[2] in ("layer", "layers", "h", "block")
            and not any(part.isdigit() for part in name.split("."))
        ),
        None,
    )
    if layers is None or not 0 <= extent <= len(layers):
        found = "no layers" if layers is None else f"{len(layers)} layers"
        raise ModelError(f"cannot freeze the lowest {extent} layers of {type(encoder).__name__}: it has {found}.")
    for name, module in encoder.named_modules():
        if "embeddings" in name.split("."):
            module.requires_grad_(False)
    for layer in layers[:extent]:
        layer.requires_grad_(False)


def is_frozen(encoder: nn.Module) -> bool:
    """Return whether no parameter of the encoder takes gradients."""
    return not any(parameter.requires_grad for parameter in encoder.parameters())
