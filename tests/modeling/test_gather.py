from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from clfa.modeling.gather import gather_rows, process_count, total
from warm import Program

from . import two_processes as two

# By process: what `two_processes.work` wrote.
Found = list[dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("processes")
    programs = [Program(two.work, (process, str(folder)), folder) for process in range(2)]
    for program in programs:
        assert program.wait() == 0, program.stderr
    return [load_file(folder / f"{process}.safetensors") for process in range(2)]


def assert_as_one(found: Found, name: str, loss: torch.Tensor, model: torch.nn.Module) -> None:
    """Both processes hold one process's loss and gradients."""
    wanted = two.gradients(model)
    assert any(gradient.abs().max() > 1e-4 for gradient in wanted.values())
    for process in found:
        torch.testing.assert_close(process[f"{name}/loss"], loss.detach(), rtol=0, atol=1e-10)
        gradients = {
            key.removeprefix(f"{name}/gradient/"): gradient
            for key, gradient in process.items()
            if key.startswith(f"{name}/gradient/")
        }
        assert wanted.keys() <= gradients.keys()
        for key, gradient in gradients.items():
            expected = wanted.get(key, torch.zeros_like(gradient))
            torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-10, msg=lambda text, key=key: key + text)


# The parts.


@pytest.mark.parametrize("number", range(len(two.LENGTHS)))
def test_rows_of_any_lengths_are_gathered_in_order(found: Found, number: int) -> None:
    lengths = two.LENGTHS[number]
    for process, results in enumerate(found):
        own = {name.rpartition("/")[2]: value for name, value in results.items() if name.startswith(f"gather/{number}")}
        assert own["numbers"].tolist() == list(range(sum(lengths)))
        assert own["rows"].tolist() == [[float(row)] * 3 for row in range(sum(lengths))]
        start = sum(lengths[:process])
        weights = torch.arange(1.0, 3 * sum(lengths) + 1, dtype=torch.float64).reshape(-1, 3)
        assert torch.equal(own["gradient"], 2 * weights[start : start + lengths[process]])
        assert own["total"] == 6 * sum(range(sum(lengths)))
        assert own["total gradient"] == 2


def test_one_process_keeps_what_it_has() -> None:
    rows = torch.randn(3, 2, requires_grad=True)
    assert process_count() == 1
    assert gather_rows(rows)[0] is rows
    assert total(rows) is rows


def test_rows_gathered_together_have_one_length() -> None:
    with pytest.raises(ValueError, match=r"must have the same length, not \[2, 3\]"):
        gather_rows(torch.zeros(2), torch.zeros(3))


# The model.


@pytest.mark.parametrize("cut", two.CUTS)
@pytest.mark.parametrize("case", two.CASES)
def test_two_processes_equal_one_with_the_whole_batch(found: Found, case: str, cut: int) -> None:
    model = two.build(case)
    loss = model(**two.part(two.whole_batch(case, cut), 0, two.SAMPLES)).loss
    loss.backward()
    assert_as_one(found, f"{case}/{cut}", loss, model)


@pytest.mark.parametrize("case", ["guided", "bank", "weights-and-smoothing", "targets"])
def test_the_mean_of_the_processes_own_losses_is_something_else(case: str) -> None:
    batch = two.whole_batch(case, 4)
    model = two.build(case)
    own = [model(**two.part(batch, *rows)).loss for rows in ((0, 4), (4, two.SAMPLES))]
    assert abs(sum(own) / 2 - model(**batch).loss) > 1e-3


def test_a_process_may_evaluate_alone(found: Found) -> None:
    model = two.build("guided").eval()
    torch.testing.assert_close(found[1]["alone"], model(**two.whole_batch("guided", 4)).loss.detach())


def test_fully_sharded_processes_equal_one(found: Found) -> None:
    model = two.build("guided")
    loss = model(**two.whole_batch("guided", 4)).loss
    loss.backward()
    assert_as_one(found, "sharded", loss, model)


# Gradient accumulation: two micro-batches of samples 0-3 and 3-6.


@pytest.mark.parametrize("case", ["guided", "alpha-0"])
def test_accumulation_takes_the_mean_over_micro_batches(found: Found, case: str) -> None:
    model, batch = two.build(case), two.whole_batch(case, 0)
    loss = (model(**two.part(batch, 0, 4)).loss + model(**two.part(batch, 3, 7)).loss) / 2
    loss.backward()
    assert_as_one(found, f"accumulated/{case}", loss, model)


def test_without_alignment_accumulation_equals_the_big_batch(found: Found) -> None:
    model, batch = two.build("alpha-0"), two.whole_batch("alpha-0", 0)
    loss = model(**{name: torch.cat([tensor[0:4], tensor[3:7]]) for name, tensor in batch.items()}).loss
    loss.backward()
    assert_as_one(found, "accumulated/alpha-0", loss, model)


def test_with_alignment_accumulation_has_fewer_negatives_than_the_big_batch() -> None:
    model, batch = two.build("guided"), two.whole_batch("guided", 0)
    accumulated = (model(**two.part(batch, 0, 4)).loss + model(**two.part(batch, 3, 7)).loss) / 2
    big = model(**{name: torch.cat([tensor[0:4], tensor[3:7]]) for name, tensor in batch.items()}).loss
    assert big > accumulated + 0.1
