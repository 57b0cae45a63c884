"""Conversion of an exported model from float32 to int8, in the parts where that pays."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

# Numbers in a weight matrix from which on its product is computed in int8. Smaller ones, those of the fusion and the
# classifier, take no measurable time.
LARGE = 1 << 17
# Operations between convolutions that stay in int8 with them.
_BETWEEN = ("Clip", "Relu", "Add")


def to_int8(source: Path, target: Path, batches: Sequence[Mapping[str, np.ndarray]]) -> dict[str, int]:
    """Write the model of one ONNX file with int8 convolutions and matrix products to another.

    Convolutional networks are quantised statically: the ranges of their activations are those of ``batches``. Large
    products with a weight matrix are quantised dynamically: each batch has a range of its own. Attention, the rest, and
    all that is between stay in float32.

    Args:
        source: Model in float32.
        target: File to write.
        batches: Inputs to calibrate with.

    Returns:
        Number of operations in int8 by kind; empty if the model has none of these, and then nothing is written.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static

    graph = onnx.load(source).graph
    network, products = _convolutions(graph), _large_products(graph)
    # 7 bits of a weight: processors without VNNI add two products in 16 bits, where 8 bits would overflow.
    settings: dict[str, Any] = {"per_channel": True, "reduce_range": True, "weight_type": QuantType.QInt8}
    between, place = target.with_name(f"{target.name}.part"), source
    try:
        with _quiet():
            if network:
                # Signed activations are slower on processors without VNNI.
                quantize_static(
                    source,
                    between if products else target,
                    _Batches(batches),
                    activation_type=QuantType.QUInt8,
                    op_types_to_quantize=["Conv", *_BETWEEN],
                    nodes_to_quantize=network,
                    **settings,
                )
                place = between
            if products:
                quantize_dynamic(place, target, op_types_to_quantize=["MatMul"], nodes_to_quantize=products, **settings)
    finally:
        between.unlink(missing_ok=True)
    kinds = {node.name: node.op_type for node in graph.node}
    convolutions = sum(kinds[name] == "Conv" for name in network)
    counts = {"convolutions": convolutions, "products": len(products)}
    return {kind: count for kind, count in counts.items() if count}


class _Batches:
    """What calibration reads; a ``CalibrationDataReader``."""

    def __init__(self, batches: Sequence[Mapping[str, np.ndarray]]) -> None:
        self._rest = iter(batches)

    def get_next(self) -> Mapping[str, np.ndarray] | None:
        return next(self._rest, None)


def _convolutions(graph: Any) -> list[str]:
    """Return the names of the convolutions that follow each other, and of the operations between them.

    A convolution alone, the patch embedding of a vision transformer, gains nothing.
    """
    fixed = {tensor.name for tensor in graph.initializer}
    fixed |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    inside: dict[str, str] = {}
    for node in graph.node:
        variable = [name for name in node.input if name and name not in fixed]
        follows = node.op_type in _BETWEEN and variable and all(name in inside for name in variable)
        if node.op_type == "Conv" or follows:
            inside[node.output[0]] = node.name
    chained = any(node.op_type == "Conv" and node.input[0] in inside for node in graph.node)
    return list(inside.values()) if chained else []


def _large_products(graph: Any) -> list[str]:
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in graph.initializer if len(tensor.dims) == 2}
    return [node.name for node in graph.node if node.op_type == "MatMul" and sizes.get(node.input[1], 0) >= LARGE]


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what ONNX Runtime logs at the root: advice to prepare the model, which the exporter has done."""
    root = logging.getLogger()
    # Without a handler the first message would set up logging for the whole process.
    handler, level = logging.NullHandler(), root.level
    root.addHandler(handler)
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
