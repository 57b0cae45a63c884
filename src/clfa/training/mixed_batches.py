"""Batch sampler that adds unlabelled samples to the batches of labelled ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from clfa.training.length_groups import LengthGroupedSampler
from clfa.training.process_batches import ProcessBatches


class MixedBatches(ProcessBatches):
    """Batches of labelled samples, each with unlabelled samples as a fixed share of it.

    An epoch consists of the batches of the labelled samples alone, each sample once. A batch of n of them gets
    ``round(n * share / (1 - share))`` unlabelled ones. These are drawn without replacement, across epochs: each occurs
    once before any occurs again. The draw depends on the seed and the epoch only, so that a resumed training continues
    it.

    Args:
        sampler: Order of the positions in ``labelled``; Accelerate sets its epoch, also when a run is resumed.
        labelled: Indices of the labelled samples (L,).
        unlabelled: Indices of the unlabelled samples (U,), U > 0.
        batch_size: Labelled samples per batch over all processes.
        share: Share of the unlabelled samples, at least 0 and below 1.
        process: Number of this process, from 0.
        processes: Number of processes.

    Raises:
        DataError: See :class:`ProcessBatches`.

    Example:
        >>> order = LengthGroupedSampler([1] * 4, batch_size=2)
        >>> [len(batch) for batch in MixedBatches(order, range(4), range(4, 9), batch_size=2, share=0.6)]
        [5, 5]
    """

    def __init__(
        self,
        sampler: LengthGroupedSampler,
        labelled: Sequence[int],
        unlabelled: Sequence[int],
        batch_size: int,
        share: float,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        super().__init__(sampler, batch_size, process, processes)
        self.labelled = list(labelled)
        self.unlabelled = list(unlabelled)
        self.share = share

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this process's part of each batch: its labelled samples, then its unlabelled ones."""
        epoch, seed = self._order.epoch, self._order.seed
        batches = list(self.whole_batches())
        sizes = [round(len(batch) * self.share / (1 - self.share)) for batch in batches]
        drawn = self._draw(epoch * sum(sizes), sum(sizes), seed)
        for batch, size in zip(batches, sizes, strict=True):
            labelled = [self.labelled[position] for position in batch]
            unlabelled = [self.unlabelled[next(drawn)] for _ in range(size)]
            yield self.part(labelled) + self.part(unlabelled)

    def _draw(self, start: int, count: int, seed: int) -> Iterator[int]:
        """Yield ``count`` positions of an endless series of permutations, from element ``start``."""
        size, done = len(self.unlabelled), start
        while done < start + count:
            number, first = divmod(done, size)
            # Another stream of random numbers than that of the labelled samples' order.
            generator = torch.Generator().manual_seed((seed + 1) * 1_000_003 + number)
            order = torch.randperm(size, generator=generator)[first : first + start + count - done]
            yield from order.tolist()
            done += len(order)
