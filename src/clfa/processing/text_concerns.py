"""Warnings about texts and the text encoder of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clfa.pretrained import quiet_transformers
from clfa.processing.processor import CLFAProcessor
from clfa.processing.unknown_tokens import UnknownTokens

# Texts that are looked at, evenly spaced.
_SAMPLE = 2000
# Characters of a text that are looked at: more than any encoder reads.
_CHARACTERS = 20_000
# Smaller shares of texts that are cut are not mentioned.
MOST_CUT = 0.2


def text_concerns(processor: CLFAProcessor, texts: Sequence[str]) -> list[str]:
    """Return warnings: most tokens are unknown to the encoder; many texts are longer than it reads.

    Args:
        processor: The processor of the run.
        texts: The training texts.
    """
    if processor.tokenizer is None:
        return []
    sample = [text[:_CHARACTERS] for text in texts[:: max(1, len(texts) // _SAMPLE)] if text]
    if not sample:
        return []
    tokenizer: Any = processor.tokenizer
    with quiet_transformers():
        ids = tokenizer(sample, truncation=False)["input_ids"]
    unknown = UnknownTokens(tokenizer)
    unknown.add(sample, ids)
    found = [line] if (line := unknown.concern("training texts")) is not None else []
    cut = sum(len(own) > processor.max_length for own in ids)
    if cut > MOST_CUT * len(sample):
        found.append(
            f"{cut / len(sample):.0%} of the training texts have more than {processor.max_length} tokens and are cut; "
            "model.max_length is the number that is read, up to that of the encoder."
        )
    return found
