"""The engine that runs exported models with ONNX Runtime."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from clfa.cpu import busy
from clfa.devices import thread_count
from clfa.errors import Argument, ModelError
from clfa.modeling import CLFAConfig
from clfa.prediction.engines.base import Engine, Precision, RuntimeOutput
from clfa.pretrained import pretrained
from clfa.processing.processor import CLFAProcessor

MODEL_FILE, REPORT_FILE, SUBFOLDER = "model.onnx", "export.json", "onnx"
OUTPUTS = ("logits", "pooler_output")
# A third output of models whose readout compares text and image.
AGREEMENT = "agreement"
# A further input of models that allow missing modalities.
IMAGE_PRESENT = "image_present"
_BLOCK = 1 << 20


class OnnxRuntime:
    """Run a model written by ``clfa export onnx`` with ONNX Runtime, in the precision of the export.

    Args:
        directory: Folder of the export.

    Raises:
        ModelError: When there is no export, ONNX Runtime is not installed, or it cannot load the file.
    """

    # The exported graph takes images of the shape (B, 3, H, W).
    several_images = False

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        path = self.directory / MODEL_FILE
        if not path.is_file() or not (self.directory / REPORT_FILE).is_file():
            raise ModelError(f"{directory} holds no exported model; make one with `clfa export onnx RUN`.")
        self.config: CLFAConfig = pretrained(CLFAConfig, self.directory)
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
        self.has_agreement = AGREEMENT in self.outputs
        shapes = {node.name: node.shape for node in self.session.get_inputs()}
        self._picture_shape: tuple[int, ...] = tuple(shapes.get("pixel_values", ())[1:])

    @property
    def fingerprint(self) -> str:
        """Return the digest of the exported file and the configuration."""
        digest = hashlib.blake2b(b"onnx", digest_size=16)
        for name in (MODEL_FILE, "config.json"):
            with open(self.directory / name, "rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        return digest.hexdigest()

    def busy(self) -> AbstractContextManager[None]:
        """See :class:`clfa.prediction.engines.base.Runtime`; an exported model needs no preparation."""
        return busy()

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> RuntimeOutput:
        """See :class:`clfa.prediction.engines.base.Runtime`."""
        feeds = self.complete(inputs)
        found = dict(zip(self.outputs, self.session.run(self.outputs, feeds), strict=True))
        logits, embeddings = (found[name] for name in OUTPUTS)
        return RuntimeOutput(logits, embeddings, found.get(AGREEMENT))

    def complete(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return an array for every input of the graph: also for pictures of a batch in which no post has one."""
        given = dict(inputs)
        if IMAGE_PRESENT in self.inputs:
            size = len(next(iter(given.values())))
            present = given.setdefault(IMAGE_PRESENT, np.ones(size, bool))
            if not present.any():
                given["pixel_values"] = np.zeros((size, *self._picture_shape), np.float32)
        return {name: given[name] for name in self.inputs}

    @property
    def precision(self) -> str:
        """Return ``fp32`` or ``int8``."""
        return str(self.report.get("precision", "fp32"))

    @property
    def report(self) -> dict[str, Any]:
        """Return the report of the export: precision, package versions, the largest difference from PyTorch."""
        content: dict[str, Any] = json.loads((self.directory / REPORT_FILE).read_text(encoding="utf-8"))
        return content


class OnnxEngine(Engine):
    """ONNX Runtime in this process, on what ``clfa export onnx`` wrote, in the precision of the export."""

    name = "onnx"
    precisions = ("auto", "fp32")

    def usual_precision(self, path: str) -> Precision:
        """See :meth:`Engine.usual_precision`: that of the export."""
        del path
        return "auto"

    def load(self, path: str, precision: Precision) -> tuple[OnnxRuntime, CLFAProcessor]:
        """Load the export at ``path``, or that of the run at ``path``; see :meth:`Engine.load`.

        Raises:
            ModelError: See the class; also when bf16 is asked for, or fp32 of an export in int8.
        """
        self.check(path, precision)
        inside = Path(path) / SUBFOLDER
        runtime = OnnxRuntime(inside if (inside / MODEL_FILE).is_file() else path)
        if precision == "fp32" and runtime.precision != "fp32":
            raise ModelError(
                f"{runtime.directory} is an export in {runtime.precision}; predict with ",
                Argument("precision", "auto"),
                ", or export the run again in fp32.",
            )
        return runtime, CLFAProcessor.from_pretrained(runtime.directory)


def is_export(path: str | Path) -> bool:
    """Return whether ``path`` is an exported model and nothing else."""
    return (Path(path) / MODEL_FILE).is_file()


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError("ONNX Runtime is not installed; pip install 'clfa[onnx-runtime]'.") from error
    return onnxruntime
