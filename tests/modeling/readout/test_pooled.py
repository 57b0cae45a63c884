from __future__ import annotations

import torch

from clfa.modeling.readout.build import build_readout
from modeling.fusion.models import build_model, make_batch


def test_it_returns_the_logits_and_has_no_parameters() -> None:
    model = build_model("sum")
    assert list(model.readout.parameters()) == []
    assert not model.readout.compares
    logits = torch.randn(2, 3)
    assert build_readout(model.config)(logits, {}) is logits


def test_it_is_the_classifier_on_the_pooled_vector() -> None:
    model = build_model("cross_attention")
    with torch.no_grad():
        output = model(**make_batch())
        expected = output.pooler_output @ model.classifier.weight.T + model.classifier.bias
    torch.testing.assert_close(output.logits, expected)
    assert output.agreement is None
