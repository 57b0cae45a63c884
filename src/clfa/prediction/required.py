"""Fields that must have a column in a table of posts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clfa.prediction.post_classifier import PostClassifier


def required_fields(classifier: PostClassifier) -> tuple[str, ...]:
    """Return the fields that the model reads; none if it allows missing modalities.

    Args:
        classifier: The model and its processor.
    """
    processor, knowledge = classifier.processor, classifier.knowledge
    reads_text, reads_image = processor.tokenizer is not None, processor.image_processor is not None
    if reads_text and reads_image and classifier.config.allow_missing_modalities:
        return ()
    looks = knowledge is not None and knowledge.reads_images
    return tuple(name for name, needed in (("text", reads_text), ("image", reads_image or looks)) if needed)
