"""Sampler for batches of samples of similar length, to reduce padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class LengthGroupedSampler(Sampler[int]):
    """Random order per epoch in which each ``batch_size`` consecutive samples have similar lengths.

    Samples are shuffled, sorted by length within pools of several batches, and divided into batches; then the batches
    are shuffled. Transformers' length-grouped sampler omits the last step, so that the batch length rises and falls
    periodically.

    Args:
        lengths: Length of each sample.
        batch_size: Samples per batch over all processes.
        pool: Batches per pool; larger pools need less padding, smaller pools are more random.
        seed: Seed of the order.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, pool: int = 16, seed: int = 0) -> None:
        self.lengths = torch.as_tensor(lengths)
        self.batch_size = batch_size
        self.pool = pool
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Accelerate's loader calls this, also when a run is resumed."""
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
        # An incomplete batch must be last; elsewhere it would shift the following batches.
        whole = [batch for batch in batches if len(batch) == self.batch_size]
        rest = [batch for batch in batches if len(batch) < self.batch_size]
        for number in torch.randperm(len(whole), generator=generator).tolist():
            yield from whole[number].tolist()
        for batch in rest:
            yield from batch.tolist()
