"""Registry of prediction engines. A new engine is one module here and one line below."""

from __future__ import annotations

from clfa.registry import Registry

# Engines whose models are computed without PyTorch, so that a prediction on one post need not import it.
WITHOUT_TORCH = ("onnx", "openvino")

ENGINES = Registry(
    "engine",
    {
        "torch": "clfa.prediction.engines.torch_engine:TorchEngine",
        "onnx": "clfa.prediction.engines.onnx_engine:OnnxEngine",
        "openvino": "clfa.prediction.engines.openvino_engine:OpenVinoEngine",
        "ray": "clfa.prediction.engines.ray_engine:RayEngine",
    },
    base="clfa.prediction.engines.base:Engine",
)
