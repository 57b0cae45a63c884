"""Models that ``clfa export onnx`` wrote, whatever runs them."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from clfa.cpu import busy
from clfa.errors import Argument, ModelError
from clfa.files import read_json
from clfa.modeling import CLFAConfig
from clfa.prediction.engines.base import Engine, Precision, RuntimeOutput
from clfa.prediction.engines.graph_inputs import IMAGE_INDEX, graph_inputs
from clfa.pretrained import pretrained
from clfa.processing.processor import CLFAProcessor

MODEL_FILE, REPORT_FILE, SUBFOLDER = "model.onnx", "export.json", "onnx"
OUTPUTS = ("logits", "pooler_output")
# A third output of models whose readout compares text and image.
AGREEMENT = "agreement"
_BLOCK = 1 << 20


class ExportedRuntime(ABC):
    """Run an exported model. A subclass sets ``inputs``, ``outputs`` and the shapes in :meth:`open`.

    Args:
        directory: Folder of the export.
        precision: ``auto`` for that of the export, or another one that the engine supports.

    Attributes:
        kind: Name of what computes, for messages and the fingerprint.
        inputs: Names of the graph's inputs.
        outputs: Names of its outputs.

    Raises:
        ModelError: When there is no export, or it cannot be loaded.
        DataError: When its report is damaged.
    """

    kind: ClassVar[str]
    inputs: list[str]
    outputs: list[str]

    def __init__(self, directory: str | Path, precision: Precision = "auto") -> None:
        self.directory = Path(directory)
        path = self.directory / MODEL_FILE
        if not path.is_file() or not (self.directory / REPORT_FILE).is_file():
            raise ModelError(f"{directory} holds no exported model; make one with `clfa export onnx RUN`.")
        self.config: CLFAConfig = pretrained(CLFAConfig, self.directory)
        if precision not in ("auto", self.report_precision) and self.report_precision != "fp32":
            raise ModelError(
                f"{self.directory} is an export in {self.report_precision}; predict with ",
                Argument("precision", "auto"),
                ", or export the run again in fp32.",
            )
        self.precision: str = self.report_precision if precision == "auto" else precision
        shapes = self.open(path)
        self.has_agreement = AGREEMENT in self.outputs
        self.several_images = IMAGE_INDEX in self.inputs
        self._picture_shape: tuple[int, ...] = tuple(shapes.get("pixel_values", ())[1:])

    @abstractmethod
    def open(self, path: Path) -> Mapping[str, tuple[Any, ...]]:
        """Load the file, set ``inputs`` and ``outputs``, and return the shapes of the inputs.

        Args:
            path: The ONNX file.

        Raises:
            ModelError: When the package is not installed, or cannot load the file.
        """

    @abstractmethod
    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs by name.

        Args:
            feeds: An array for every input of the graph.
        """

    @property
    def fingerprint(self) -> str:
        """Return the digest of the exported file, the configuration, and what computes in which precision."""
        facts = self.kind if self.precision == self.report_precision else f"{self.kind} {self.precision}"
        digest = hashlib.blake2b(facts.encode(), digest_size=16)
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
        found = self.run(self.complete(inputs))
        logits, embeddings = (found[name] for name in OUTPUTS)
        return RuntimeOutput(logits, embeddings, found.get(AGREEMENT))

    def complete(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return an array for every input of the graph; see :func:`graph_inputs`."""
        return graph_inputs(self.inputs, inputs, self._picture_shape)

    @property
    def report_precision(self) -> str:
        """Return the precision of the export: ``fp32`` or ``int8``."""
        return str(self.report.get("precision", "fp32"))

    @property
    def report(self) -> dict[str, Any]:
        """Return the report of the export: precision, package versions, the largest difference from PyTorch."""
        content: dict[str, Any] = read_json(self.directory / REPORT_FILE, dict, "export the model again")
        return content


Runs = TypeVar("Runs", bound=ExportedRuntime)


class ExportedEngine(Engine, Generic[Runs]):
    """An engine in this process for what ``clfa export onnx`` wrote.

    Attributes:
        runtime: What runs the model.
    """

    runtime: type[Runs]

    def usual_precision(self, path: str) -> Precision:
        """See :meth:`Engine.usual_precision`: that of the export."""
        del path
        return "auto"

    def load(self, path: str, precision: Precision) -> tuple[Runs, CLFAProcessor]:
        """Load the export at ``path``, or that of the run at ``path``; see :meth:`Engine.load`.

        Raises:
            ModelError: See :class:`ExportedRuntime`; also when the engine does not support the precision.
        """
        self.check(path, precision)
        inside = Path(path) / SUBFOLDER
        runtime = self.runtime(inside if (inside / MODEL_FILE).is_file() else path, precision)
        return runtime, CLFAProcessor.from_pretrained(runtime.directory)


def is_export(path: str | Path) -> bool:
    """Return whether ``path`` is an exported model and nothing else."""
    return (Path(path) / MODEL_FILE).is_file()
