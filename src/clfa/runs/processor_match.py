"""Whether a processor prepares what a model reads."""

from __future__ import annotations

from clfa.errors import ModelError
from clfa.modeling import CLFAConfig
from clfa.processing.processor import CLFAProcessor


def check_processor(config: CLFAConfig, processor: CLFAProcessor) -> None:
    """Check that a processor prepares what its model reads: texts, images, terms.

    Raises:
        ModelError: If it does not.
    """
    parts = {"text": processor.tokenizer, "image": processor.image_processor}
    absent = [name for name in config.modalities if parts[name] is None]
    if absent:
        raise ModelError(
            f"the model reads {' and '.join(absent)}, and its processor does not; save both together, of the "
            "same training."
        )
    found = 0 if processor.terms is None else len(processor.terms)
    if config.num_terms not in (0, found):
        raise ModelError(
            f"the model reads {config.num_terms:,} terms, and its processor has {found:,}; save both together, of "
            "the same training."
        )
