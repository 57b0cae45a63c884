"""Loading of the model and processor of a run."""

from __future__ import annotations

from clfa.modeling import CLFAForClassification
from clfa.pretrained import pretrained_model
from clfa.processing.processor import CLFAProcessor
from clfa.runs.processor_match import check_processor
from clfa.runs.run_folder import RunFolder


def load_trained(folder: RunFolder) -> tuple[CLFAForClassification, CLFAProcessor]:
    """Return the model and processor of a run.

    Raises:
        ModelError: When they cannot be loaded.
    """
    model = pretrained_model(CLFAForClassification, folder.model)
    processor = CLFAProcessor.from_pretrained(folder.model)
    check_processor(model.config, processor)
    return model.eval(), processor
