"""Interfaces of prediction engines and of model runtimes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol

import numpy as np

from clfa.errors import Argument, ModelError
from clfa.jobs.cluster_options import ClusterOptions
from clfa.jobs.executor import Executor, ThisProcess

if TYPE_CHECKING:
    from clfa.modeling import CLFAConfig
    from clfa.processing.processor import CLFAProcessor

Precision = Literal["auto", "fp32", "bf16"]


class RuntimeOutput(NamedTuple):
    """Outputs of a model on a batch, float32.

    Args:
        logits: (B, L).
        embeddings: Fused vectors (B, ``hidden_size``).
        agreement: Cosine of the aligned text and image (B,), NaN where one is missing; ``None`` for models whose
            readout does not compare them.
    """

    logits: np.ndarray
    embeddings: np.ndarray
    agreement: np.ndarray | None = None


class Runtime(Protocol):
    """Run a model on prepared batches.

    Attributes:
        config: Shape and labels of the model.
        fingerprint: Hexadecimal digest of all that decides its outputs: weights, configuration, precision.
        several_images: Whether a post may have several images.
        has_agreement: Whether outputs have the agreement of text and image.
    """

    config: CLFAConfig
    several_images: bool
    has_agreement: bool

    @property
    def fingerprint(self) -> str:
        """See the class."""

    def busy(self) -> AbstractContextManager[None]:
        """Return a context for many batches in a row, in which one-time preparation for speed pays."""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> RuntimeOutput:
        """Return the model's outputs on a batch from the processor."""


class Engine(ABC):
    """Compute predictions, in this process or elsewhere. Refuse by name every option without effect.

    Attributes:
        name: In :data:`clfa.prediction.engines.ENGINES`.
        precisions: Supported precisions.
        distributed: Whether it takes :class:`ClusterOptions` and divides every input into shards.
    """

    name: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]] = ("auto", "fp32", "bf16")
    distributed: ClassVar[bool] = False

    def check(self, path: str, precision: str) -> None:
        """Check arguments before anything is loaded.

        Args:
            path: Path of the model.
            precision: Requested precision.

        Raises:
            ModelError: If the engine does not support the precision.
        """
        del path
        require_precision(precision, self.precisions, self.name)

    def usual_precision(self, path: str) -> Precision:
        """Return the precision of a model that is loaded without one.

        Args:
            path: Path of the model.
        """
        del path
        return "fp32"

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
        """Return the executor of a job.

        Raises:
            ModelError: If an option was given that has no effect.
        """
        options.refuse(self.name)
        return ThisProcess()


def require_precision(precision: str, known: tuple[str, ...], engine: str) -> None:
    """Check a precision.

    Raises:
        ModelError: If the engine does not support it.
    """
    if precision not in known:
        raise ModelError(
            Argument("precision", precision), f" is not for engine {engine!r}; it takes {', '.join(known)}."
        )
