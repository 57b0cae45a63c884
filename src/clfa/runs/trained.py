"""The model and processor that a run left."""

from __future__ import annotations

from clfa.modeling import CLFAForClassification
from clfa.pretrained import pretrained_model
from clfa.processing.processor import CLFAProcessor
from clfa.runs.run_folder import RunFolder


def load_trained(folder: RunFolder) -> tuple[CLFAForClassification, CLFAProcessor]:
    """Model and processor of a run.

    Raises:
        ModelError: When they cannot be loaded.
    """
    return pretrained_model(CLFAForClassification, folder.model).eval(), CLFAProcessor.from_pretrained(folder.model)
