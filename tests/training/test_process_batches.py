from __future__ import annotations

from itertools import chain

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.utils.data import BatchSampler
from transformers import TrainerControl, TrainerState, TrainingArguments

from clfa.errors import DataError
from clfa.training.process_batches import ProcessBatches
from clfa.training.process_seeds import ProcessSeeds


@given(samples=st.integers(1, 60), batch_size=st.integers(1, 16), processes=st.integers(1, 5))
def test_the_parts_make_up_the_batches_of_one_process(samples: int, batch_size: int, processes: int) -> None:
    assume(min(samples, batch_size) >= processes)
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(samples)).tolist()
    alone = list(BatchSampler(order, batch_size, drop_last=False))
    if len(alone[-1]) < processes:
        # Every process needs a sample.
        alone[-2:] = [alone[-2] + alone[-1]]
    shares = [ProcessBatches(order, batch_size, process, processes) for process in range(processes)]
    parts = [list(share) for share in shares]
    assert [len(share) for share in shares] == [len(alone)] * processes
    assert [list(chain(*step)) for step in zip(*parts, strict=True)] == alone
    for step in zip(*parts, strict=True):
        sizes = [len(part) for part in step]
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 1


def test_too_many_processes() -> None:
    with pytest.raises(DataError, match="3 training samples in batches of 8 are too few for 4 processes; start fewer"):
        ProcessBatches(range(3), 8, 0, 4)
    with pytest.raises(DataError, match="9 training samples in batches of 2 are too few for 4 processes; start fewer"):
        ProcessBatches(range(9), 2, 0, 4)


def test_processes_draw_different_random_numbers() -> None:
    class Arguments:
        seed = 5
        process_index = 0

    drawn = []
    for process in (0, 1, 0):
        arguments: TrainingArguments = Arguments()  # type: ignore[assignment]
        arguments.process_index = process  # type: ignore[misc]
        with torch.random.fork_rng():
            ProcessSeeds().on_train_begin(arguments, TrainerState(), TrainerControl())
            drawn.append(torch.rand(3))
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.allclose(drawn[0], drawn[1])
