"""A model's inputs and outputs on calibration posts, and how far an int8 model's outputs are from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np

from clfa.modeling import CLFAConfig
from clfa.prediction.engines.base import RuntimeOutput
from clfa.prediction.engines.onnx_engine import OnnxRuntime
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.processing.processor import CLFAProcessor
from clfa.targets.prediction import predict_targets
from clfa.targets.target import Target, logit_slices

# Posts of a batch. Ranges of activations do not depend on it; memory does.
_BATCH = 8


@dataclass
class CalibrationInputs:
    """Inputs and outputs, batch by batch.

    Args:
        batches: Inputs of the exported model.
        logits: Its outputs.
        unreadable: Messages about posts that cannot be predicted on.
    """

    batches: list[dict[str, np.ndarray]] = field(default_factory=list)
    logits: list[np.ndarray] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, exported: OnnxRuntime, processor: CLFAProcessor, posts: Sequence[Post]) -> CalibrationInputs:
        """Return the inputs of posts, read as in prediction, and the outputs of a float32 export on them."""
        found = cls()
        predictions = PostClassifier(_Recorder(exported, found), processor, _BATCH)(posts)
        found.unreadable += [one.error for one in predictions if one.error is not None]
        return found

    @property
    def count(self) -> int:
        """Number of posts."""
        return sum(map(len, self.logits))

    @property
    def digest(self) -> str:
        """Hexadecimal digest of the inputs."""
        digest = hashlib.blake2b(digest_size=16)
        for batch in self.batches:
            for name, array in batch.items():
                digest.update(f"{name} {array.dtype} {array.shape} ".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def agreement(self, exported: OnnxRuntime, targets: Sequence[Target]) -> tuple[float | None, float]:
        """Compare another export's outputs on the same inputs.

        Args:
            exported: The other export.
            targets: Targets of the model.

        Returns:
            Share of posts with the same classes, ``None`` if all targets are numbers; and the largest difference of a
            probability, or of a number in standard deviations.
        """
        same: list[bool] = []
        largest = 0.0
        for batch, before in zip(self.batches, self.logits, strict=True):
            after = exported(batch).logits
            pairs = zip(predict_targets(targets, before), predict_targets(targets, after), strict=True)
            for number, (a, b) in enumerate(pairs):
                classes = [name for name, one in a.items() if one.probabilities is not None]
                if classes:
                    same.append(all(a[name].value == b[name].value for name in classes))
                for target, own in logit_slices(targets):
                    if target.name in classes:
                        old, new = a[target.name].probabilities or {}, b[target.name].probabilities or {}
                        largest = max(largest, *(abs(old[one] - new[one]) for one in old))
                    else:
                        largest = max(largest, float(np.abs(before[number, own] - after[number, own]).max()))
        return (sum(same) / len(same) if same else None), largest


class _Recorder:
    """A runtime that keeps what goes through it."""

    def __init__(self, runtime: OnnxRuntime, found: CalibrationInputs) -> None:
        self._runtime, self._found = runtime, found
        self.config: CLFAConfig = runtime.config
        self.has_agreement = runtime.has_agreement
        self.several_images = runtime.several_images
        self.fingerprint = ""

    def busy(self) -> AbstractContextManager[None]:
        return self._runtime.busy()

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> RuntimeOutput:
        output = self._runtime(inputs)
        self._found.batches.append(self._runtime.complete(inputs))
        self._found.logits.append(output.logits)
        return output
