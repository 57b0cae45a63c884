"""The model in this process, with PyTorch, ONNX Runtime or OpenVINO."""

from __future__ import annotations

from clfa.serving.engines.base import Order, ServingEngine


class _Here(ServingEngine):
    def serve(self, order: Order) -> None:
        """See :class:`clfa.serving.engines.base.ServingEngine`."""
        from clfa.serving.run import serve
        from clfa.serving.served_model import ServedModel

        def load() -> ServedModel:
            return ServedModel.load(order.model, self.name, order.precision)

        serve(load, order.settings, order.host, order.port, order.token, order.on_start)


class TorchHere(_Here):
    """PyTorch."""

    name = "torch"


class OnnxHere(_Here):
    """ONNX Runtime, for exported models."""

    name = "onnx"


class OpenVinoHere(_Here):
    """OpenVINO, for exported models."""

    name = "openvino"
