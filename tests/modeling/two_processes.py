"""What two processes compute, for ``test_gather.py``: the same cases as one process with the whole batch."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from transformers import BertConfig, ViTConfig

from clfa.modeling import CLFAConfig, CLFAForClassification
from clfa.modeling.alignment import GuideBank
from clfa.modeling.gather import at_least_float32, gather_rows, process_count, total
from clfa.targets.target import Target

SAMPLES = 7
GUIDE = 10
# Rows of the first process; the second has the rest.
CUTS = (4, 1)
LENGTHS = ([2, 3], [0, 2], [3, 0], [0, 0])

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
BERT = BertConfig(
    vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, **NO_DROPOUT
)
VIT = ViTConfig(
    image_size=32, patch_size=16, hidden_size=20, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24
)
HEAD: dict[str, Any] = {
    "hidden_size": 12,
    "projection_hidden_size": 18,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "num_fusion_layers": 1,
    "classifier_dropout": 0.0,
    "num_labels": 3,
    "alpha": 0.7,
    "guide_dim": GUIDE,
    **NO_DROPOUT,
}
TARGETS = [
    Target("mood", label_names=("bad", "good"), class_weights=(1.0, 4.0)),
    Target("tags", "multi_label_classification", label_names=("x", "y")),
    Target("likes", "regression", mean=1.0, sd=2.0),
]
MISSING = {"allow_missing_modalities": True}

# By name: fields of the configuration, and how the batch differs from `whole_batch`.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "guided": ({}, ""),
    "cross-guided": ({"alignment": "cross_guided"}, ""),
    "guided-and-cross": ({"alignment": "guided_and_cross"}, ""),
    "students": ({"alignment": "students", "guide_dim": None}, "no guide"),
    "students-selected": ({"alignment": "students", "guide_dim": None}, "no guide, selected"),
    "both": ({"alignment": "both", "students_weight": 0.4}, "selected"),
    "both-missing-bank": (MISSING | {"alignment": "both", "negatives": "bank"}, "missing, selected"),
    "both-nobody-selected-in-the-second": ({"alignment": "both"}, "selected in the first"),
    "bank": ({"negatives": "bank"}, ""),
    "bank-cross-guided": ({"negatives": "bank", "alignment": "cross_guided"}, ""),
    "bank-guided-and-cross": ({"negatives": "bank", "alignment": "guided_and_cross"}, ""),
    "alpha-0": ({"alpha": 0.0, "guide_dim": None}, "no guide"),
    "weights-and-smoothing": ({"class_weights": [1.0, 5.0, 0.5], "label_smoothing": 0.1, "focal_gamma": 1.5}, ""),
    "missing": (MISSING, "missing"),
    "missing-bank": (MISSING | {"negatives": "bank"}, "missing"),
    "missing-students": (MISSING | {"alignment": "students", "guide_dim": None}, "missing, no guide"),
    "no-picture-in-the-second": (MISSING, "no picture in the second"),
    "no-picture-at-all-bank": (MISSING | {"negatives": "bank"}, "no picture at all"),
    "relation": ({"readout": "relation"}, ""),
    "relation-alpha-0-missing": (
        MISSING | {"readout": "relation", "alpha": 0.0, "guide_dim": None},
        "missing, no guide",
    ),
    "targets": ({"targets": [target.to_dict() for target in TARGETS]}, "targets"),
    "baseline": ({"baseline": "dr_net", "use_knowledge": True, "guide_dim": None}, "no guide, knowledge"),
}


def build(case: str) -> CLFAForClassification:
    fields = CASES[case][0]
    torch.manual_seed(0)
    config = CLFAConfig(text_config=BERT.to_dict(), vision_config=VIT.to_dict(), **(HEAD | fields))
    model = CLFAForClassification(config).double().train()
    if config.negatives == "bank":
        drawn = torch.Generator().manual_seed(3)
        # Sample 20 repeats the text of sample 1; sample 21 has no picture.
        groups = {"text": torch.arange(30), "image": torch.arange(30)}
        groups["text"][20], groups["image"][21] = 1, -1
        embeds = {name: torch.randn(30, GUIDE, generator=drawn) for name in ("text", "image")}
        model.guide_bank = GuideBank(embeds, groups)
    return model


def whole_batch(case: str, cut: int) -> dict[str, torch.Tensor]:
    how = CASES[case][1]
    drawn = torch.Generator().manual_seed(1)
    lengths = torch.tensor([6, 3, 5, 1, 4, 2, 6])
    batch = {
        "input_ids": torch.randint(1, 50, (SAMPLES, 6), generator=drawn),
        "attention_mask": (torch.arange(6)[None] < lengths[:, None]).long(),
        "pixel_values": torch.randn(SAMPLES, 3, 32, 32, generator=drawn, dtype=torch.float64),
        "labels": torch.tensor([0, 2, 1, 1, 0, 0, 2]),
        "guide_text_embeds": torch.randn(SAMPLES, GUIDE, generator=drawn, dtype=torch.float64),
        "guide_image_embeds": torch.randn(SAMPLES, GUIDE, generator=drawn, dtype=torch.float64),
        "guide_index": torch.tensor([1, 20, 5, 0, 11, 7, 2]),
    }
    if "no guide" in how:
        batch = {name: tensor for name, tensor in batch.items() if not name.startswith("guide_")}
    if "selected" in how:
        batch["student_rows"] = torch.tensor([1, 1, 0, 1, 1, 1, 1]).bool()
        # The text of sample 4 is that of sample 1, its image that of sample 5.
        batch["contents"] = torch.tensor([[0, 0], [1, 1], [2, 2], [3, 3], [1, 4], [5, 4], [6, 6]])
    if "selected in the first" in how:
        batch["student_rows"] &= torch.arange(SAMPLES) < cut
    if "knowledge" in how:
        batch["knowledge_input_ids"] = torch.randint(1, 50, (SAMPLES, 3), generator=drawn)
        batch["knowledge_attention_mask"] = torch.ones(SAMPLES, 3, dtype=torch.long)
    if how.startswith("missing"):
        batch["image_present"] = torch.tensor([1, 0, 1, 1, 1, 0, 1]).bool()
        batch["attention_mask"][3] = 0
        batch["attention_mask"][6] = 0
    if how == "no picture in the second":
        batch["image_present"] = torch.arange(SAMPLES) < cut
    if how == "no picture at all":
        batch["image_present"] = torch.zeros(SAMPLES, dtype=torch.bool)
    if how == "targets":
        nan = float("nan")
        # "tags" is labelled in the first row only, "likes" in both processes, one row has no label at all.
        rows = [[0, 1, 0, nan], [1, nan, nan, 2], [nan] * 4, [1, nan, nan, 0], [0, nan, nan, 5], [0, nan, nan, nan]]
        batch["labels"] = torch.tensor([*rows, [nan, nan, nan, 1.5]], dtype=torch.float64)
    return batch


def part(batch: dict[str, torch.Tensor], start: int, end: int) -> dict[str, torch.Tensor]:
    """Some samples; like the collator's, without pixels where none has a picture."""
    rows = {name: tensor[start:end] for name, tensor in batch.items()}
    if "image_present" in rows and not rows["image_present"].any():
        del rows["pixel_values"]
    return rows


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    """Of every parameter that takes part."""
    return {
        name.removeprefix("module."): getattr(parameter.grad, "full_tensor", lambda p=parameter: p.grad)()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def work(process: int, folder: str) -> None:
    """One of two processes; writes what it found."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=process, world_size=2, timeout=timedelta(seconds=300)
    )
    found: dict[str, torch.Tensor] = {}
    for number, lengths in enumerate(LENGTHS):
        found |= {f"gather/{number}/{name}": tensor for name, tensor in _gathered(process, lengths).items()}
    for case in CASES:
        for cut in CUTS:
            model = build(case)
            wrapped = DistributedDataParallel(model, find_unused_parameters=True)
            own = (0, cut) if process == 0 else (cut, SAMPLES)
            loss = wrapped(**part(whole_batch(case, cut), *own)).loss
            loss.backward()
            _keep(found, f"{case}/{cut}", loss, model)
    for case in ("guided", "alpha-0"):
        model = build(case)
        wrapped = DistributedDataParallel(model, find_unused_parameters=True)
        # Two micro-batches of four samples, two in each process.
        first = part(whole_batch(case, 0), 2 * process, 2 * process + 2)
        second = part(whole_batch(case, 0), 3 + 2 * process, 3 + 2 * process + 2)
        with wrapped.no_sync():
            early = wrapped(**first).loss / 2
            early.backward()
        late = wrapped(**second).loss / 2
        late.backward()
        _keep(found, f"accumulated/{case}", early + late, model)
    model = build("guided")
    fully_shard(model.clfa.fusion)
    fully_shard(model)
    loss = model(**part(whole_batch("guided", 4), *((0, 4) if process == 0 else (4, SAMPLES)))).loss
    loss.backward()
    _keep(found, "sharded", loss, model)
    model = build("guided").eval()
    if process == 1:
        # In evaluation a process may work alone.
        found["alone"] = model(**whole_batch("guided", 4)).loss.detach()
    save_file({name: tensor.contiguous() for name, tensor in found.items()}, Path(folder) / f"{process}.safetensors")
    dist.destroy_process_group()


def _keep(found: dict[str, torch.Tensor], name: str, loss: torch.Tensor, model: nn.Module) -> None:
    found[f"{name}/loss"] = loss.detach()
    found |= {f"{name}/gradient/{key}": gradient for key, gradient in gradients(model).items()}


def _gathered(process: int, lengths: list[int]) -> dict[str, torch.Tensor]:
    start, size = sum(lengths[:process]), lengths[process]
    rows = torch.arange(start, start + size, dtype=torch.float64)[:, None] * torch.ones(3, dtype=torch.float64)
    rows.requires_grad_()
    numbers = torch.arange(start, start + size)
    every, every_number = gather_rows(rows, numbers)
    weights = torch.from_numpy(np.arange(1.0, 3 * len(every) + 1).reshape(-1, 3))
    (every * weights).sum().backward()
    assert rows.grad is not None
    term = (rows.detach() * 2).sum().requires_grad_()
    whole = total(term)
    whole.backward()
    assert term.grad is not None
    assert process_count() == 2
    (single,) = at_least_float32(torch.ones(1, dtype=torch.bfloat16))
    assert single.dtype == torch.float32
    return {
        "rows": every.detach(),
        "numbers": every_number,
        "gradient": rows.grad,
        "total": whole.detach(),
        "total gradient": term.grad,
    }
