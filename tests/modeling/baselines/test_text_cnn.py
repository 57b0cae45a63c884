from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from clfa.errors import ModelError
from clfa.modeling.fusion import Stream

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream


def test_features_are_the_strongest_windows() -> None:
    """Filter by filter and window by window (Kim 2014, equations 2 to 4)."""
    baseline = build("text_cnn", "text", filter_sizes=[2, 3], num_filters=4)
    text = stream("text", [6, 3, 1])
    found = baseline({"text": text}).hidden[:, 0].detach().numpy()
    P = arrays(baseline)
    for row, length in enumerate([6, 3, 1]):
        words = text.hidden[row, :length].numpy()
        features = []
        for number, height in enumerate([2, 3]):
            x = np.vstack([words, np.zeros((max(0, height - length), 5))])
            for w, b in zip(P[f"filters.{number}.weight"], P[f"filters.{number}.bias"], strict=True):
                windows = [np.concatenate(x[i : i + height]) for i in range(len(x) - height + 1)]
                features.append(max(max(0.0, w @ window + b) for window in windows))
        close(found[row], P["dense.weight"] @ np.array(features) + P["dense.bias"])


def test_it_is_a_convolution() -> None:
    baseline = build("text_cnn", "text", filter_sizes=[3], num_filters=4)
    text = stream("text", [7, 7])
    kernel = baseline.filters[0].weight.unflatten(1, (3, 5)).transpose(1, 2)
    answers = F.conv1d(text.hidden.transpose(1, 2), kernel, baseline.filters[0].bias)
    expected = baseline.dense(torch.relu(answers).amax(dim=2))
    close(baseline({"text": text}).hidden[:, 0].detach(), expected.detach())


def test_the_papers_sizes_are_the_defaults() -> None:
    baseline = build("text_cnn", "text")
    assert [tuple(layer.weight.shape) for layer in baseline.filters] == [(100, 15), (100, 20), (100, 25)]


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(build("text_cnn", "text"), {"text": stream("text", [6, 4, 1])})


def test_padding_in_front_changes_nothing() -> None:
    baseline, text = build("text_cnn", "text"), stream("text", [4])
    noise = torch.full((1, 2, 5), 30.0, dtype=torch.float64)
    shifted = Stream(torch.cat([noise, text.hidden], dim=1), torch.tensor([[0, 0, 1, 1, 1, 1]]))
    close(baseline({"text": shifted}).hidden.detach(), baseline({"text": text}).hidden.detach())


def test_gradients_reach_every_parameter() -> None:
    baseline = build("text_cnn", "text", num_filters=3)
    # One filter dead for every window would have none.
    text = stream("text", [8] * 16)
    assert_gradients_reach(baseline, baseline({"text": text}).hidden.square().sum())


def test_the_image_is_not_read() -> None:
    baseline = build("text_cnn")
    text, image = stream("text", [4, 2]), stream("image", [3, 3])
    close(baseline({"text": text, "image": image}).hidden.detach(), baseline({"text": text}).hidden.detach())


def test_no_sizes() -> None:
    with pytest.raises(ModelError, match=r"model.baseline_options.filter_sizes: Value should have at least 1 item"):
        build("text_cnn", "text", filter_sizes=[])


@pytest.mark.parametrize("options", [{"filter_sizes": [3, 0]}, {"num_filters": 0}])
def test_sizes_below_1(options: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"'text_cnn' needs filter_sizes and num_filters of at least 1; they are \["):
        build("text_cnn", "text", **options)
