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
    from clfa.recipe import load_recipe
    from clfa.runs.prepare import Preparation, load_corpus

    channel.wait()
    settings = load_recipe(recipe, overrides)
    libraries = peak_memory_mb()
    corpus = load_corpus(settings, cache=Path(cache))
    # Encoders are left out on both sides: they weigh the same.
    preparation = Preparation(settings, corpus, encoders=(None, None), cache=Path(cache))
    guide: Any = RandomGuide()
    samples = 0
    for name, split in corpus.splits.items():
        data = preparation.dataset(split, guide if name == "train" else None)
        for batch in DataLoader(data, batch_size=batch_size, collate_fn=CLFACollator()):
            samples += len(batch["labels"])
    channel.report(libraries_mb=libraries, samples=samples)
