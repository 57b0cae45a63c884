"""The loss of all targets of a model together, and what a configuration says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.task_loss import TaskLoss
from clfa.targets.default_label import default_label
from clfa.targets.target import Target
from loss_formulas import draws, numpy_multi, numpy_single

NAN = float("nan")


def config(**fields: Any) -> CLFAConfig:
    return CLFAConfig(text_config={"model_type": "bert"}, **fields)


TARGETS = [
    Target("s", label_names=("no", "yes"), class_weights=(1.0, 3.0)),
    Target("e", "multi_label_classification", ("a", "b", "c"), weight=0.5, class_weights=(1.0, 2.0, 3.0)),
    Target("v", "regression", weight=2.0, mean=10.0, sd=4.0),
]


def task_loss(**fields: Any) -> TaskLoss:
    return TaskLoss(config(targets=[target.to_dict() for target in TARGETS], **fields))


@pytest.mark.parametrize(("gamma", "smoothing", "training"), [(0.0, 0.0, True), (2.0, 0.2, True), (2.0, 0.2, False)])
def test_targets_are_summed_over_the_samples_that_have_them(gamma: float, smoothing: float, training: bool) -> None:
    logits = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    labels = np.array([[1, 0, 1, 1, 12], [NAN, 1, 0, 0, NAN], [0, NAN, NAN, NAN, 2]], dtype=np.float32)
    module = task_loss(focal_gamma=gamma, label_smoothing=smoothing).train(training)
    total, parts = module(torch.from_numpy(logits), torch.from_numpy(labels))
    smoothing = smoothing if training else 0.0
    wide = logits.astype(np.float64)
    single = numpy_single(wide[[0, 2], :2], np.array([1, 0]), np.array([1.0, 3.0]), gamma, smoothing)
    multi = numpy_multi(wide[:2, 2:5], labels[:2, 1:4], np.array([1.0, 2.0, 3.0]), gamma, smoothing)
    number = np.mean((wide[[0, 2], 5] - (np.array([12, 2]) - 10) / 4) ** 2)
    assert {name: part.item() for name, part in parts.items()} == pytest.approx(
        {"s": single, "e": multi, "v": number}, rel=1e-5
    )
    assert total.item() == pytest.approx(single + 0.5 * multi + 2 * number, rel=1e-5)


def test_missing_targets_get_no_gradient_and_break_nothing() -> None:
    logits = torch.zeros(2, 6, requires_grad=True)
    total, parts = task_loss()(logits, torch.tensor([[NAN, NAN, NAN, NAN, 14.0], [NAN] * 5]))
    assert list(parts) == ["v"]
    total.backward()
    assert logits.grad is not None
    # d/dx 2 (x - 1)^2 at 0, for the one sample and output.
    assert logits.grad.tolist() == [[0, 0, 0, 0, 0, -4], [0] * 6]
    total, parts = task_loss()(logits, torch.full((2, 5), NAN))
    assert (total.item(), total.requires_grad, parts) == (0.0, True, {})


def test_labels_of_one_number_may_be_flat() -> None:
    module = TaskLoss(config(targets=[Target("v", "regression").to_dict()]))
    assert module(torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 4.0]))[0].item() == 2.0


def test_the_default_label_is_cross_entropy() -> None:
    logits, labels, _, weights = (torch.from_numpy(array) for array in draws(5))
    module = TaskLoss(config(num_labels=4, label_smoothing=0.1))
    total, parts = module.train()(logits, labels)
    assert list(parts) == ["label"]
    assert torch.equal(parts["label"], total)
    assert torch.equal(total, F.cross_entropy(logits, labels, label_smoothing=0.1))
    assert torch.equal(module.eval()(logits, labels)[0], F.cross_entropy(logits, labels))
    # Half precision is widened first.
    half = module(logits.bfloat16(), labels)[0]
    assert half.dtype == torch.float32
    weighted = TaskLoss(config(num_labels=4, class_weights=weights.tolist()))
    assert torch.equal(weighted(logits, labels)[0], F.cross_entropy(logits, labels, weights))
    assert not list(weighted.parameters())
    assert not weighted.state_dict()


# The configuration.


def test_targets_decide_on_the_classifiers_outputs(tmp_path: Any) -> None:
    found = config(targets=[target.to_dict() for target in TARGETS])
    assert found.label_names == ["s: no", "s: yes", "e: a", "e: b", "e: c", "v"]
    assert (found.num_labels, found.problem_type) == (6, None)
    assert found.label2id["e: b"] == 3
    found.save_pretrained(tmp_path)
    assert CLFAConfig.from_pretrained(tmp_path).target_list == TARGETS
    one = config(targets=[TARGETS[1].to_dict()])
    assert (one.label_names, one.problem_type) == (["a", "b", "c"], "multi_label_classification")
    plain = config(num_labels=3)
    assert (plain.targets, plain.problem_type) == (None, None)
    assert plain.target_list == [default_label(["LABEL_0", "LABEL_1", "LABEL_2"])]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"targets": []}, "targets is empty; leave it out"),
        ({"targets": [TARGETS[0].to_dict()] * 2}, "two targets are named 's'"),
        ({"targets": [{"name": "s"}]}, "target 's' has no classes"),
        ({"focal_gamma": -1}, "focal_gamma is -1; it must be at least 0"),
        ({"num_labels": 3, "class_weights": [1.0, 2.0]}, "class_weights has 2 values, id2label 3"),
    ],
)
def test_configurations_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        config(**fields)
