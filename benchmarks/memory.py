"""Peak host memory of a data set: its splits made ready, and every sample brought into a batch once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from benchmarks.probe import Channel
from clfa.runs.resources import peak_memory_mb

# Of MMSD: its pictures, and its training split after the usual filter.
MMSD_IMAGES, MMSD_TRAIN = 24_635, 19_816


def load(channel: Channel, recipe: str, overrides: list[str], cache: str, batch_size: int = 8) -> None:
    """One round: all splits through their loaders. Reports the peak with the libraries loaded and at the end."""
    from benchmarks.architectures import RandomGuide
    from clfa.processing.collator import CLFACollator
    from clfa.processing.processor import CLFAProcessor
    from clfa.recipe import load_recipe
    from clfa.runs.corpus import load_corpus
    from clfa.runs.encoded_splits import encode_split
    from clfa.runs.encoders import Encoders

    channel.wait()
    settings = load_recipe(recipe, overrides)
    libraries = peak_memory_mb()
    corpus = load_corpus(settings, cache=Path(cache))
    # Encoders are left out on both sides: they weigh the same.
    model = settings.model
    processor = CLFAProcessor.from_encoders(
        model.text_encoder,
        model.vision_encoder,
        max_length=model.max_length,
        knowledge_max_length=model.knowledge_max_length,
        knowledge=settings.knowledge if model.use_knowledge else None,
    )
    encoders = Encoders(model, None, None, processor, Path(cache))
    guide: Any = RandomGuide()
    samples = 0
    for name, split in corpus.splits.items():
        data = encode_split(settings, split, encoders, guide if name == "train" else None)
        for batch in DataLoader(data, batch_size=batch_size, collate_fn=CLFACollator()):
            samples += len(batch["labels"])
    channel.report(libraries_mb=libraries, samples=samples)
