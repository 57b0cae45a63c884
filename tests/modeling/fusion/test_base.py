from __future__ import annotations

import pytest
import torch

from clfa.errors import RecipeError
from clfa.modeling import CLFAConfig
from clfa.modeling.fusion import FUSIONS, Fusion, Stream


def test_every_registered_fusion_is_a_fusion() -> None:
    assert "cross_attention" in FUSIONS.names()
    for name in FUSIONS.names():
        assert issubclass(FUSIONS.get(name), Fusion)


def test_an_unknown_fusion_is_named_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"unknown fusion 'cross_atention'.*Did you mean 'cross_attention'"):
        FUSIONS.get("cross_atention")


def test_the_base_fuses_nothing() -> None:
    with pytest.raises(NotImplementedError):
        Fusion(CLFAConfig(text_config={"model_type": "bert"}))({})


def test_a_stream_needs_no_mask() -> None:
    stream = Stream(torch.zeros(1, 2, 3))
    assert stream.mask is None
    assert stream.bias is None
