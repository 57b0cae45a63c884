from __future__ import annotations

import torch

from clfa.modeling import CLFAConfig
from clfa.modeling.baselines.labels import class_indices
from clfa.targets.target import Target

IRONY = Target("irony", label_names=("no", "yes", "maybe"))


def test_class_indices() -> None:
    labels = torch.tensor([2, 0])
    found = class_indices(CLFAConfig(), labels)
    assert found is not None
    assert (found.tolist(), found.dtype) == ([2, 0], torch.long)
    one = CLFAConfig(targets=[IRONY.to_dict()])
    for given in (torch.tensor([[2.0], [torch.nan]]), torch.tensor([2.0, torch.nan])):
        found = class_indices(one, given)
        assert found is not None
        assert (found.tolist(), found.dtype) == ([2, -1], torch.long)
    for other in (
        [Target("size", "regression")],
        [Target("topics", "multi_label_classification", ("a", "b"))],
        [IRONY, Target("x", "regression")],
    ):
        assert class_indices(CLFAConfig(targets=[target.to_dict() for target in other]), torch.zeros(2, 2)) is None
