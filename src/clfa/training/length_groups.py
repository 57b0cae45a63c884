"""Batches of samples of like length: less padding, less work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class LengthGroupedSampler(Sampler[int]):
    """A new order each epoch in which every ``batch_size`` consecutive samples are of like length.

    Samples are shuffled, sorted by length within pools of some batches, cut into batches, and the batches shuffled.
    Transformers' sampler of the same purpose leaves out the last step, so that long and short batches come in waves.

    Args:
        lengths: Of each sample.
        batch_size: Samples per batch over all processes.
        pool: Batches per pool: more of them pad less, fewer mix more.
        seed: Of the order.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, pool: int = 16, seed: int = 0) -> None:
        self.lengths = torch.as_tensor(lengths)
        self.batch_size = batch_size
        self.pool = pool
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Accelerate's loader, also when a run is resumed."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.lengths), generator=generator)
        pools = order.split(self.pool * self.batch_size)
        batches = [
            batch for pool in pools for batch in pool[self.lengths[pool].argsort(stable=True)].split(self.batch_size)
        ]
        # An incomplete batch stays last, where alone it does not shift the others.
        whole = [batch for batch in batches if len(batch) == self.batch_size]
        rest = [batch for batch in batches if len(batch) < self.batch_size]
        for number in torch.randperm(len(whole), generator=generator).tolist():
            yield from whole[number].tolist()
        for batch in rest:
            yield from batch.tolist()
