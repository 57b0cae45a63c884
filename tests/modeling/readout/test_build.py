from __future__ import annotations

import pytest

from clfa.errors import ModelError, RecipeError
from clfa.modeling.readout.build import check_readout
from modeling.fusion.models import build_model


def test_a_baseline_has_no_students_to_compare() -> None:
    with pytest.raises(
        ModelError,
        match=r"^readout 'relation' compares the aligned text and image, which the baseline 'pooled_concat' does not "
        r"have; set model\.readout=pooled, or model\.baseline=null\.$",
    ):
        build_model("sum", baseline="pooled_concat", readout="relation")


@pytest.mark.parametrize("text", [True, False])
def test_one_modality_cannot_be_compared(text: bool) -> None:
    with pytest.raises(
        ModelError,
        match=r"^readout 'relation' compares the aligned text and image, but this model reads one of them; set "
        r"model\.readout=pooled, or give it both model\.text_encoder and model\.vision_encoder\.$",
    ):
        build_model("sum", text=text, image=not text, readout="relation")


def test_pooled_fits_every_model() -> None:
    check_readout("pooled", "pooled_concat", both=False)


def test_an_unknown_name() -> None:
    with pytest.raises(RecipeError, match=r"unknown readout 'relatoin'; known: pooled, relation.*mean 'relation'"):
        build_model("sum", readout="relatoin")


def test_unknown_options() -> None:
    with pytest.raises(ModelError, match=r"^readout 'pooled' has no option 'parts'; it takes: none\.$"):
        build_model("sum", readout_options={"parts": ["cosine"]})
    with pytest.raises(
        ModelError, match=r"^readout 'relation' has no option 'part'; it takes: parts\. Did you mean 'parts'\?$"
    ):
        build_model("sum", readout="relation", readout_options={"part": ["cosine"]})
