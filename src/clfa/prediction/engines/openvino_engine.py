"""The engine that runs exported models with OpenVINO."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clfa.devices import thread_count
from clfa.errors import Argument, ModelError
from clfa.prediction.engines.exported import ExportedEngine, ExportedRuntime


class OpenVinoRuntime(ExportedRuntime):
    """Run a model written by ``clfa export onnx`` on a CPU with OpenVINO.

    Args:
        directory: Folder of the export.
        precision: ``auto`` for that of the export; ``fp32``, or ``bf16`` for matrix products and convolutions of an
            export in fp32 in bfloat16.

    Raises:
        ModelError: When there is no export, OpenVINO is not installed or cannot load the file, or the processor has no
            instructions for bfloat16.
    """

    kind = "openvino"

    def open(self, path: Path) -> Mapping[str, tuple[Any, ...]]:
        """See :meth:`ExportedRuntime.open`."""
        core = _openvino().Core()
        if self.precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise ModelError(
                Argument("precision", "bf16"),
                " needs a processor with instructions for bfloat16, and this one has none; predict with ",
                Argument("precision", "fp32"),
                ".",
            )
        settings = {
            "INFERENCE_NUM_THREADS": thread_count(),
            "PERFORMANCE_HINT": "LATENCY",
            # Without it OpenVINO takes bfloat16 wherever the processor has it, also for an export in fp32.
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bf16" else "f32",
        }
        try:
            model = core.compile_model(str(path), "CPU", settings)
        except Exception as error:  # OpenVINO raises RuntimeError, and other types on damaged files.
            raise ModelError(f"{path} cannot be loaded by OpenVINO: {error}") from error
        self.model = model
        # A request keeps its inputs and outputs: each thread has its own.
        self._local = threading.local()
        self.inputs = [port.any_name for port in model.inputs]
        self.outputs = [port.any_name for port in model.outputs]
        return {port.any_name: tuple(_length(size) for size in port.partial_shape) for port in model.inputs}

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See :meth:`ExportedRuntime.run`."""
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self.model.create_infer_request()
        # Copies: the arrays of a request are overwritten by its next batch.
        found = request.infer(dict(feeds), share_outputs=False)
        return {name: found[name] for name in self.outputs}


class OpenVinoEngine(ExportedEngine[OpenVinoRuntime]):
    """OpenVINO in this process, on what ``clfa export onnx`` wrote."""

    name = "openvino"
    runtime = OpenVinoRuntime


def _length(size: Any) -> int | None:
    return size.get_length() if size.is_static else None


def _openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise ModelError("OpenVINO is not installed; pip install 'clfa[openvino]'.") from error
    return openvino
