"""Batch sampler for one of several training processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import BatchSampler

from clfa.errors import DataError


class ProcessBatches(BatchSampler):
    """Batches over all processes, of which each process trains on one of the consecutive parts.

    Each sample occurs once per epoch, in the same batch as with a single process. The parts of a batch differ by at
    most one sample. (Accelerate fills up the last batch with samples of other batches instead.)

    Args:
        sampler: Order of the samples, the same in all processes.
        batch_size: Samples per batch over all processes.
        process: Number of this process, from 0.
        processes: Number of processes.

    Raises:
        DataError: If there are fewer samples, or fewer samples per batch, than processes.

    Example:
        >>> list(ProcessBatches(range(7), batch_size=4, process=1, processes=2))
        [[2, 3], [5, 6]]
    """

    def __init__(self, sampler: Any, batch_size: int, process: int, processes: int) -> None:
        if min(len(sampler), batch_size) < processes:
            raise DataError(
                f"{len(sampler)} training samples in batches of {batch_size} are too few for {processes} processes; "
                "start fewer processes."
            )
        super().__init__(sampler, batch_size, drop_last=False)
        self._order: Any = sampler
        self.process = process
        self.processes = processes

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        whole, rest = divmod(len(self._order), self.batch_size)
        return whole + (rest >= self.processes or not whole)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this process's part of each batch."""
        for batch in self.whole_batches():
            yield self.part(batch)

    def whole_batches(self) -> Iterator[list[int]]:
        """Yield the batches over all processes."""
        order = list(self._order)
        starts = [number * self.batch_size for number in range(len(self))]
        # A last batch with fewer samples than processes is added to the previous batch.
        for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
            yield order[start:end]

    def part(self, batch: Sequence[int]) -> list[int]:
        """Return this process's part of a batch."""
        first = len(batch) * self.process // self.processes
        last = len(batch) * (self.process + 1) // self.processes
        return list(batch[first:last])
