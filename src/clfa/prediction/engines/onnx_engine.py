"""The engine that runs exported models with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clfa.devices import thread_count
from clfa.errors import ModelError
from clfa.prediction.engines.exported import ExportedEngine, ExportedRuntime


class OnnxRuntime(ExportedRuntime):
    """Run a model written by ``clfa export onnx`` with ONNX Runtime, in the precision of the export.

    Args:
        directory: Folder of the export.
        precision: ``auto``, or ``fp32`` for an export in fp32.

    Raises:
        ModelError: When there is no export, ONNX Runtime is not installed, or it cannot load the file.
    """

    kind = "onnx"

    def open(self, path: Path) -> Mapping[str, tuple[Any, ...]]:
        """See :meth:`ExportedRuntime.open`."""
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = thread_count()
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [name for name in wanted if name in runtime.get_available_providers()]
        try:
            self.session = runtime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # ONNX Runtime raises its own types.
            raise ModelError(f"{path} cannot be loaded by ONNX Runtime: {error}") from error
        self.inputs = [node.name for node in self.session.get_inputs()]
        self.outputs = [node.name for node in self.session.get_outputs()]
        return {node.name: tuple(node.shape) for node in self.session.get_inputs()}

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See :meth:`ExportedRuntime.run`."""
        return dict(zip(self.outputs, self.session.run(self.outputs, dict(feeds)), strict=True))


class OnnxEngine(ExportedEngine[OnnxRuntime]):
    """ONNX Runtime in this process, on what ``clfa export onnx`` wrote, in the precision of the export."""

    name = "onnx"
    precisions = ("auto", "fp32")
    runtime = OnnxRuntime


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError("ONNX Runtime is not installed; pip install 'clfa[onnx-runtime]'.") from error
    return onnxruntime
