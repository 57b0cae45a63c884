"""EfficientNet-Lite with normalisation, activation and padding inside its convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn import functional as F

# Activation of EfficientNet-Lite, as oneDNN names it, with its bounds.
_RELU6 = ("hardtanh", [0.0, 6.0])
# Whose weights are folded, with the state of the weights that they were folded from.
_folded: WeakKeyDictionary[nn.Module, tuple[tuple[int, ...], list[_Step]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class _Step:
    """A convolution with a bias.

    Args:
        weight: In the order in which oneDNN reads it.
        bias: One number per channel.
        settings: Padding, stride, dilation and groups.
        activated: ReLU6 follows.
        begins: First step of a block.
        joins: The input of the block is added to the result.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    settings: tuple[list[int], list[int], list[int], int]
    activated: bool
    begins: bool = False
    joins: bool = False


def exchange(module: nn.Module) -> None:
    """Replace ``extract_features`` of an EfficientNet-Lite by :func:`extract_features`.

    Args:
        module: Any module; others than the backbones of the package ``efficientnet-lite-pytorch`` are not changed.
    """
    if _is_efficientnet_lite(module) and "extract_features" not in vars(module):
        vars(module)["extract_features"] = partial(extract_features, module)


def _is_efficientnet_lite(module: Any) -> bool:
    parts = ("_conv_stem", "_blocks", "_conv_head", "_swish")
    return (
        all(hasattr(module, name) for name in parts)
        and hasattr(type(module), "extract_features")
        and all(type(part._swish) is nn.ReLU6 for part in (module, *module._blocks))
        and not any(block.has_se for block in module._blocks)
    )


def extract_features(backbone: Any, inputs: torch.Tensor) -> torch.Tensor:
    """Compute the last feature map (B, C, H, W) of images (B, 3, H, W).

    Without gradients, batch statistics and autocast, on a CPU, each convolution is one call of oneDNN that does the
    normalisation, the activation, the padding and the sum with the block's input as well: 1.6 times as fast, 17 instead
    of 26 ms for a picture of 224 x 224 pixels (batches of eight, two cores of an AMD EPYC 7003; ``python -m benchmarks
    levers --only "normalisation and activation inside convolutions"``). Otherwise the
    backbone's own method is called. Results differ only by rounding.

    Args:
        backbone: EfficientNet-Lite.
        inputs: Images.
    """
    state = _state(backbone) if _applies(backbone, inputs) else None
    if state is None:
        found: torch.Tensor = type(backbone).extract_features(backbone, inputs)
        return found
    known, steps = _folded.get(backbone, ((), []))
    if known != state:
        steps = list(_steps(backbone))
        _folded[backbone] = state, steps
    operations: Any = torch.ops.mkldnn
    value = before = inputs.contiguous(memory_format=torch.channels_last)
    for step in steps:
        if step.begins:
            before = value
        if step.joins:
            value = operations._convolution_pointwise_.binary(
                before, value, step.weight, step.bias, *step.settings, "add", 1.0, None, [], None
            )
        else:
            activation, bounds = _RELU6 if step.activated else ("none", [])
            value = operations._convolution_pointwise(
                value, step.weight, step.bias, *step.settings, activation, bounds, ""
            )
    return value


def _applies(backbone: Any, inputs: torch.Tensor) -> bool:
    return (
        not (torch.is_grad_enabled() or backbone.training or torch.compiler.is_compiling())
        and inputs.device.type == "cpu"
        and inputs.dtype == backbone._conv_stem.weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    )


def _state(backbone: nn.Module) -> tuple[int, ...] | None:
    """Return what changes with the weights; ``None`` for tensors that do not count their changes."""
    found: list[int] = []
    for tensor in (*backbone.parameters(), *backbone.buffers()):
        if tensor.is_inference():
            return None
        found += (tensor.data_ptr(), tensor._version)
    return tuple(found)


def _steps(backbone: Any) -> Iterator[_Step]:
    yield _step(backbone._conv_stem, backbone._bn0, activated=True)
    for block in backbone._blocks:
        settings = block._block_args
        expands = settings.expand_ratio != 1
        if expands:
            yield _step(block._expand_conv, block._bn0, activated=True, begins=True)
        yield _step(block._depthwise_conv, block._bn1, activated=True, begins=not expands)
        same = block._depthwise_conv.stride[0] == 1 and settings.input_filters == settings.output_filters
        yield _step(block._project_conv, block._bn2, joins=block.id_skip and same)
    yield _step(backbone._conv_head, backbone._bn1, activated=True)


def _step(convolution: Any, normalisation: nn.BatchNorm2d, **options: bool) -> _Step:
    assert normalisation.running_mean is not None
    assert normalisation.running_var is not None
    scale = normalisation.weight * (normalisation.running_var + normalisation.eps).rsqrt()
    weight = convolution.weight * scale[:, None, None, None]
    bias = normalisation.bias - normalisation.running_mean * scale
    left, right, top, bottom = getattr(convolution.static_padding, "padding", (0, 0, 0, 0))
    # oneDNN pads both sides by the same number. Zeros in a larger kernel take the place of what is too much.
    weight = F.pad(weight, (right - left, 0, bottom - top, 0)).contiguous(memory_format=torch.channels_last)
    settings = ([bottom, right], list(convolution.stride), list(convolution.dilation), convolution.groups)
    ordered = torch.ops.mkldnn._reorder_convolution_weight(weight, *settings)
    return _Step(ordered, bias, settings, options.pop("activated", False), **options)
