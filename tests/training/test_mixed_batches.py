from __future__ import annotations

from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from accelerate.data_loader import prepare_data_loader, skip_first_batches
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from clfa.errors import DataError
from clfa.training import CLFATrainer, CLFATrainingArguments
from clfa.training.length_groups import LengthGroupedSampler
from clfa.training.mixed_batches import MixedBatches
from clfa.training.process_batches import ProcessBatches


def epoch_of(batches: MixedBatches, number: int) -> list[list[int]]:
    batches.sampler.set_epoch(number)
    return list(batches)


@given(
    labelled=st.integers(1, 40),
    unlabelled=st.integers(1, 30),
    size=st.integers(1, 12),
    share=st.sampled_from([0.1, 0.5, 0.75, 0.9]),
    processes=st.integers(1, 3),
    epoch=st.integers(0, 3),
)
def test_processes_share_batches_with_their_share_of_unlabelled_samples(
    labelled: int, unlabelled: int, size: int, share: float, processes: int, epoch: int
) -> None:
    assume(min(labelled, size) >= processes)
    # Labelled samples are the odd indices.
    known, others = [2 * n + 1 for n in range(labelled)], [2 * n for n in range(unlabelled)]

    def batches(process: int) -> list[list[int]]:
        order = LengthGroupedSampler([1] * labelled, size, seed=3)
        return epoch_of(MixedBatches(order, known, others, size, share, process, processes), epoch)

    steps = [list(chain(*parts)) for parts in zip(*map(batches, range(processes)), strict=True)]
    assert len(steps) == len(ProcessBatches(range(labelled), size, 0, processes))
    assert sorted(index for step in steps for index in step if index % 2) == known
    for step in steps:
        count = sum(index % 2 for index in step)
        assert len(step) - count == round(count * share / (1 - share))


def test_the_batches_of_several_processes_are_those_of_one() -> None:
    def batches(process: int, processes: int) -> list[list[int]]:
        order = LengthGroupedSampler([1] * 10, 4, seed=1)
        return list(MixedBatches(order, range(10), range(10, 30), 4, 0.5, process, processes))

    alone = batches(0, 1)
    assert [len(batch) for batch in alone] == [8, 8, 4]
    for whole, first, second in zip(alone, batches(0, 2), batches(1, 2), strict=True):
        half = len(whole) // 4
        assert [first[:half], second[:half]] == [whole[:half], whole[half : 2 * half]]
        assert [first[half:], second[half:]] == [whole[2 * half : 3 * half], whole[3 * half :]]


def test_each_unlabelled_sample_comes_once_before_any_comes_again() -> None:
    batches = MixedBatches(LengthGroupedSampler([1] * 6, 4, seed=5), range(6), range(6, 17), 4, 0.5)
    drawn = [index for number in range(22) for batch in epoch_of(batches, number) for index in batch if index > 5]
    assert len(drawn) == 6 * 22
    rounds = [drawn[start : start + 11] for start in range(0, len(drawn), 11)]
    assert all(sorted(each) == list(range(6, 17)) for each in rounds)
    assert rounds[0] != rounds[1]
    other = MixedBatches(LengthGroupedSampler([1] * 6, 4, seed=6), range(6), range(6, 17), 4, 0.5)
    assert [index for batch in epoch_of(other, 0) for index in batch if index > 5] != drawn[:6]
    # The draw depends on the epoch alone, not on what was drawn before.
    assert epoch_of(batches, 3) == epoch_of(MixedBatches(batches.sampler, range(6), range(6, 17), 4, 0.5), 3)


def test_accelerate_sets_the_epoch_also_after_skipped_batches() -> None:
    def loader() -> DataLoader[int]:
        batches = MixedBatches(LengthGroupedSampler([1] * 8, 4, seed=2), range(8), range(8, 30), 4, 0.5)
        return prepare_data_loader(DataLoader(range(30), batch_sampler=batches, collate_fn=list), num_processes=1)

    whole = loader()
    epochs = []
    for number in range(2):
        whole.set_epoch(number)
        epochs.append(list(whole))
    assert epochs[0] != epochs[1]
    resumed = loader()
    resumed.set_epoch(1)
    rest = skip_first_batches(resumed, 1)
    rest.set_epoch(1)
    assert list(rest) == epochs[1][1:]


def test_fewer_labelled_samples_than_processes() -> None:
    with pytest.raises(DataError, match="3 training samples in batches of 8 are too few for 4 processes"):
        MixedBatches(LengthGroupedSampler([1] * 3, 8), range(3), range(3, 90), 8, 0.9, 0, 4)


def test_a_sample_with_one_of_its_labels_is_labelled() -> None:
    labels = np.array([[np.nan, np.nan], [0, np.nan], [1, 1], [np.nan, np.nan], [np.nan, 2]], dtype=np.float32)
    arguments = SimpleNamespace(
        unlabelled_share=0.5, group_by_length=True, train_batch_size=2, world_size=1, process_index=0, seed=4
    )
    dataset: Any = SimpleNamespace(labels=labels, lengths=lambda: [50, 51, 52, 53, 54])
    trainer: Any = SimpleNamespace(args=arguments)
    found = CLFATrainer._mixed_batches(trainer, dataset)
    assert (found.labelled, found.unlabelled) == ([1, 2, 4], [0, 3])
    assert (found.batch_size, found.share, found.sampler.seed) == (2, 0.5, 4)
    assert found.sampler.lengths.tolist() == [51, 52, 54]
    dataset.labels = labels[[1, 2]]
    with pytest.raises(DataError, match="unlabelled_share is above 0, and all training samples have labels; set it to"):
        CLFATrainer._mixed_batches(trainer, dataset)


def test_no_labelled_sample_is_left_out_of_an_epoch(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unlabelled_share does not support dataloader_drop_last: few labels must all"):
        CLFATrainingArguments(output_dir=str(tmp_path), use_cpu=True, unlabelled_share=0.5, dataloader_drop_last=True)
