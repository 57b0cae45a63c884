"""Low-rank adapters of the encoders (LoRA), by PEFT."""

from __future__ import annotations

import logging
from typing import Any

from torch import nn

from clfa.errors import RecipeError
from clfa.fields.lora import LoraRecipe
from clfa.modeling import CLFAForClassification
from clfa.modeling.encoders import is_frozen
from clfa.nearest import did_you_mean

logger = logging.getLogger(__name__)

ALL_LINEAR = "all-linear"
# Names of the linear layers of queries and values in the encoders of Transformers; the last ones compute keys, too.
_QUERIES_AND_VALUES = (
    *("query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "query_proj", "value_proj", "q", "v"),
    *("qkv", "Wqkv", "query_key_value"),
)
_ENCODERS = {"text_encoder": "text encoder", "vision_encoder": "vision encoder"}


class Adapters:
    """The adapters in a model's encoders; all other weights of these encoders are frozen.

    Args:
        settings: Settings of all adapters.
        tuners: PEFT's wrapper of each encoder, by name.
        trained: Names of each encoder's parameters that are trained without adapters.
        layers: Number of adapted layers of each encoder.
        model: The model, with its adapters.
    """

    def __init__(
        self,
        settings: LoraRecipe,
        tuners: dict[str, Any],
        trained: dict[str, set[str]],
        layers: dict[str, int],
        model: CLFAForClassification,
    ) -> None:
        self._tuners, self._trained = tuners, trained
        added = [part for tuner in tuners.values() for name, part in tuner.named_parameters() if "lora_" in name]
        self.figures: dict[str, Any] = {
            "trained_parameters": sum(part.numel() for part in model.parameters() if part.requires_grad),
            "lora": {
                **settings.model_dump(include={"rank", "alpha"}),
                "layers": layers,
                "parameters": sum(part.numel() for part in added),
            },
        }

    def merge(self) -> None:
        """Add the adapters to the weights of their layers, and remove them: the encoders are plain ones again.

        A warning names adapted layers that the training did not change, which an encoder has, but does not use.
        """
        unchanged = [f"{name}.{layer}" for name, tuner in self._tuners.items() for layer in _unchanged(tuner.model)]
        if unchanged:
            logger.warning(
                "LoRA had no effect on %d of the layers that it adapts, which the encoder does not use or the training "
                "did not reach; for instance %s.",
                len(unchanged),
                unchanged[0],
            )
        for name, tuner in self._tuners.items():
            encoder = tuner.merge_and_unload()
            vars(encoder).pop("peft_config", None)
            for parameter_name, parameter in encoder.named_parameters():
                parameter.requires_grad_(parameter_name in self._trained[name])
        self._tuners = {}


def add_adapters(model: CLFAForClassification, settings: LoraRecipe) -> Adapters:
    """Add adapters to the encoders of a model, in place, except for encoders that are frozen.

    Merge them before the model is saved: :meth:`Adapters.merge`.

    Args:
        model: The model, before its training.
        settings: Settings of all adapters.

    Raises:
        RecipeError: If PEFT is not installed, all encoders are frozen, a layer that the settings name does not exist,
            or an encoder has none of them.
    """
    try:
        import peft
    except ImportError as error:
        raise RecipeError("training.lora needs PEFT; pip install 'clfa[lora]'.") from error
    found = {name: getattr(model.clfa, name) for name in _ENCODERS}
    encoders = {name: encoder for name, encoder in found.items() if encoder is not None and not is_frozen(encoder)}
    if not encoders:
        raise RecipeError("training.lora needs an encoder that is trained; all encoders of this model are frozen.")
    layers = _layers(encoders, settings.target_modules)
    trained = {
        name: {own for own, parameter in encoder.named_parameters() if parameter.requires_grad}
        for name, encoder in encoders.items()
    }
    tuners = {}
    for name, encoder in encoders.items():
        config = peft.LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type] # It is divided by the rank, and nothing else.
            lora_dropout=settings.dropout,
            target_modules=layers[name],
        )
        tuners[name] = peft.LoraModel(encoder, config, "default")
    return Adapters(settings, tuners, trained, {name: len(own) for name, own in layers.items()}, model)


def _unchanged(encoder: nn.Module) -> list[str]:
    """Return the names of the layers whose adapters are as they were before the training: B is 0."""
    found = []
    for name, part in encoder.named_modules():
        second = getattr(part, "lora_B", None)
        if isinstance(second, nn.ModuleDict) and not any(bool(one.any()) for one in second.parameters()):
            found.append(name)
    return found


def has_adapters(encoder: nn.Module) -> bool:
    """Return whether an encoder has adapters that are not merged."""
    return hasattr(encoder, "peft_config")


def _layers(encoders: dict[str, nn.Module], wanted: list[str] | None) -> dict[str, list[str]]:
    """Return the full names of the layers to adapt, by encoder.

    Raises:
        RecipeError: If a wanted layer is in no encoder, or an encoder has none of them.
    """
    known = {name: _linear_layers(encoder) for name, encoder in encoders.items()}
    ends = sorted({own.rpartition(".")[2] for names in known.values() for own in names})
    for one in wanted or ():
        if one != ALL_LINEAR and not any(_fits(own, one) for names in known.values() for own in names):
            raise RecipeError(
                f"training.lora.target_modules: no trained encoder has a linear layer {one!r}."
                f"{did_you_mean(one, ends)} There are {', '.join(ends) or 'none'}."
            )
    layers = {
        name: [
            own for own in names if any(one == ALL_LINEAR or _fits(own, one) for one in wanted or _QUERIES_AND_VALUES)
        ]
        for name, names in known.items()
    }
    for name, own in layers.items():
        if not own:
            there = ", ".join(sorted({full.rpartition(".")[2] for full in known[name]})) or "none"
            sought = "those of training.lora.target_modules" if wanted else "known as queries or values of attention"
            raise RecipeError(
                f"training.lora: the {_ENCODERS[name]} ({type(encoders[name]).__name__}) has no linear layers "
                f"{sought}; it has {there}. Name some of them in training.lora.target_modules, or freeze the encoder: "
                f"model.freeze_{name}=true."
            )
    return layers


def _linear_layers(encoder: nn.Module) -> list[str]:
    # PyTorch's own attention reads the weights of its parts without calling them: adapters would have no effect.
    unheard = {
        part for module in encoder.modules() if isinstance(module, nn.MultiheadAttention) for part in module.modules()
    }
    return [
        name for name, part in encoder.named_modules() if isinstance(part, nn.Linear) and name and part not in unheard
    ]


def _fits(name: str, wanted: str) -> bool:
    return f".{name}".endswith(f".{wanted}")
