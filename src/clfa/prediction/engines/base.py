"""What every engine provides, and what it runs models with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import numpy as np
import torch

from clfa.errors import Argument, ModelError
from clfa.jobs.cluster_options import ClusterOptions
from clfa.jobs.executor import Executor, ThisProcess

if TYPE_CHECKING:
    from clfa.modeling import CLFAConfig
    from clfa.processing.processor import CLFAProcessor

Precision = Literal["auto", "fp32", "bf16"]


class Runtime(Protocol):
    """Runs a model on prepared batches.

    Attributes:
        config: Shape and labels of the model.
        fingerprint: Hexadecimal digest of all that decides its outputs: weights, configuration, precision.
    """

    config: CLFAConfig

    @property
    def fingerprint(self) -> str:
        """See the class."""

    def busy(self) -> AbstractContextManager[None]:
        """Within, many batches follow each other, and what takes time once and makes each quicker pays."""

    def __call__(self, inputs: Mapping[str, torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """Logits (B, L) and fused vectors (B, ``hidden_size``), float32, of a batch as the processor makes it."""


class Engine(ABC):
    """What computes predictions, and where. An option that it has no use for is refused by name.

    Attributes:
        name: In :data:`clfa.prediction.engines.ENGINES`.
        precisions: What it computes in.
        distributed: Whether it takes :class:`ClusterOptions`, and cuts any input into shards.
    """

    name: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]] = ("auto", "fp32", "bf16")
    distributed: ClassVar[bool] = False

    def check(self, path: str, precision: str) -> None:
        """Check arguments before anything is loaded.

        Args:
            path: Of the model.
            precision: What was asked for.

        Raises:
            ModelError: When it does not compute in that precision.
        """
        del path
        require_precision(precision, self.precisions, self.name)

    @abstractmethod
    def load(self, path: str, precision: Precision) -> tuple[Runtime, CLFAProcessor]:
        """Load a model and its processor into this process.

        Args:
            path: Run folder, model directory or hub id.
            precision: ``auto``, ``fp32`` or ``bf16``.

        Raises:
            ModelError: When there is no trained model.
        """

    def executor(self, options: ClusterOptions) -> Executor:
        """Return where a job is carried out.

        Raises:
            ModelError: When an option was given that it has no use for.
        """
        options.refuse(self.name)
        return ThisProcess()


def require_precision(precision: str, known: tuple[str, ...], engine: str) -> None:
    """Check a precision.

    Raises:
        ModelError: When the engine does not compute in it.
    """
    if precision not in known:
        raise ModelError(
            Argument("precision", precision), f" is not for engine {engine!r}; it takes {', '.join(known)}."
        )
