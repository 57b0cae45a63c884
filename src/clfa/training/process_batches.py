"""One process's share of every batch that several processes train on together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import BatchSampler

from clfa.errors import DataError


class ProcessBatches(BatchSampler):
    """The batches of one process with the whole batch size, each cut into as many consecutive parts as processes.

    Every sample is seen once an epoch, in the batch in which one process alone would see it: parts differ by at most
    one sample where a batch cannot be divided. Accelerate's way is to fill up the last batch with samples seen already.

    Args:
        sampler: Order of the samples, the same in every process.
        batch_size: Samples per batch over all processes.
        process: Number of this process, from 0.
        processes: How many there are.

    Raises:
        DataError: When there are fewer samples, or fewer per batch, than processes.

    Example:
        >>> list(ProcessBatches(range(7), batch_size=4, process=1, processes=2))
        [[2, 3], [5, 6]]
    """

    def __init__(self, sampler: Any, batch_size: int, process: int, processes: int) -> None:
        if min(len(sampler), batch_size) < processes:
            raise DataError(
                f"{processes} processes cannot share {len(sampler)} training samples in batches of {batch_size}; "
                "start fewer of them."
            )
        super().__init__(sampler, batch_size, drop_last=False)
        self._order: Any = sampler
        self.process = process
        self.processes = processes

    def __len__(self) -> int:
        """Batches per epoch."""
        whole, rest = divmod(len(self._order), self.batch_size)
        return whole + (rest >= self.processes or not whole)

    def __iter__(self) -> Iterator[list[int]]:
        """Of each batch, the part of this process."""
        order = list(self._order)
        starts = [number * self.batch_size for number in range(len(self))]
        # A last batch of fewer samples than processes joins the one before.
        for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
            first = start + (end - start) * self.process // self.processes
            last = start + (end - start) * (self.process + 1) // self.processes
            yield order[first:last]
