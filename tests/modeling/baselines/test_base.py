from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from clfa.errors import ModelError, RecipeError
from clfa.modeling import CLFAConfig
from clfa.modeling.baselines import BASELINES
from clfa.modeling.baselines.base import Baseline, build_baseline

from .batches import SIZES, WIDTHS, build, stream


class Needy(Baseline):
    needs = ("text", "image", "knowledge")

    def __init__(self, config: CLFAConfig, widths: Any, rate: float = 0.5, depth: int = 1) -> None:
        super().__init__(config, widths)
        self.options = (rate, depth)

    def forward(self, streams: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
def needy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BASELINES._entries, "needy", f"{__name__}:Needy")


@pytest.mark.usefixtures("needy")
@pytest.mark.parametrize(
    ("absent", "how"),
    [
        ("text", "set model.text_encoder"),
        ("image", "set model.vision_encoder"),
        ("knowledge", "set model.use_knowledge=true and give the data a knowledge column or source"),
    ],
)
def test_a_needed_stream_is_absent(absent: str, how: str) -> None:
    with pytest.raises(ModelError, match=f"^baseline 'needy' needs {absent}: {how}.$"):
        build("needy", *(name for name in WIDTHS if name != absent))


@pytest.mark.usefixtures("needy")
def test_options_are_keyword_arguments() -> None:
    assert build("needy", *WIDTHS).options == (0.5, 1)
    assert build("needy", *WIDTHS, depth=3).options == (0.5, 3)
    with pytest.raises(
        ModelError, match=r"^baseline 'needy' has no option 'rat'; it takes: rate, depth\. Did you mean 'rate'\?$"
    ):
        build("needy", *WIDTHS, rat=0.1)


def test_a_baseline_without_options() -> None:
    with pytest.raises(ModelError, match=r"^baseline 'pooled_concat' has no option 'hops'; it takes: none\.$"):
        build("pooled_concat", hops=2)


def test_config_and_widths_are_no_options() -> None:
    for name in ("config", "widths"):
        with pytest.raises(ModelError, match=f"has no option '{name}'"):
            build_baseline("co_memory", CLFAConfig(**SIZES), WIDTHS, {name: None})


def test_an_unknown_name() -> None:
    with pytest.raises(RecipeError, match=r"unknown baseline 'text_cn'; known: pooled_concat.*Did you mean 'text_cnn'"):
        build("text_cn", "text")


def test_most_baselines_have_no_loss_of_their_own() -> None:
    baseline, streams = build("pooled_concat", "text"), {"text": stream("text", [3, 2])}
    assert baseline.auxiliary_loss(streams, baseline(streams), torch.tensor([0, 1])) is None
    with pytest.raises(NotImplementedError):
        Baseline(CLFAConfig(**SIZES), WIDTHS)(streams)


@pytest.mark.slow
def test_the_interface_can_be_imported_before_the_model() -> None:
    subprocess.run([sys.executable, "-c", "import clfa.modeling.baselines.base"], check=True, capture_output=True)
