"""PyTorch, or ONNX Runtime where the model is an export, on the machines of a Ray cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.jobs.cluster import RayCluster
from clfa.jobs.cluster_options import ClusterOptions
from clfa.jobs.executor import Executor
from clfa.prediction.engines.base import Engine, Precision, Runtime
from clfa.prediction.engines.exported import is_export
from clfa.prediction.engines.onnx_engine import OnnxEngine
from clfa.prediction.engines.torch_engine import TorchEngine

if TYPE_CHECKING:
    from clfa.processing.processor import CLFAProcessor


class RayEngine(Engine):
    """Shards of the input on a Ray cluster; each worker loads the same model as :meth:`load`."""

    name = "ray"
    distributed = True

    def check(self, path: str, precision: str) -> None:
        """See :class:`clfa.prediction.engines.base.Engine`."""
        _loader(path).check(path, precision)

    def usual_precision(self, path: str) -> Precision:
        """See :meth:`clfa.prediction.engines.base.Engine.usual_precision`."""
        return _loader(path).usual_precision(path)

    def load(self, path: str, precision: Precision) -> tuple[Runtime, CLFAProcessor]:
        """See :class:`clfa.prediction.engines.base.Engine`."""
        return _loader(path).load(path, precision)

    def executor(self, options: ClusterOptions) -> Executor:
        """See :class:`clfa.prediction.engines.base.Engine`."""
        return RayCluster.of(options)


def _loader(path: str) -> Engine:
    return OnnxEngine() if is_export(path) else TorchEngine()
