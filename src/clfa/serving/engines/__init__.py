"""Registry of serving engines. A new engine is one module here and one line below."""

from __future__ import annotations

from clfa.registry import Registry

SERVING_ENGINES = Registry(
    "serving engine",
    {
        "torch": "clfa.serving.engines.local:TorchHere",
        "onnx": "clfa.serving.engines.local:OnnxHere",
        "openvino": "clfa.serving.engines.local:OpenVinoHere",
        "ray": "clfa.serving.engines.ray_engine:RayReplicas",
    },
)
