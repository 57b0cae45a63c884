from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clfa.errors import ModelError

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream
from .recurrence import lstm


def test_last_state_of_each_direction() -> None:
    baseline = build("bi_lstm", "text")
    text = stream("text", [5, 2])
    found = baseline({"text": text}).hidden[:, 0].detach().numpy()
    P = arrays(baseline)
    for row, length in enumerate([5, 2]):
        x = text.hidden[row, :length].numpy()
        forwards = lstm(x, P, "lstm.lstm")[-1]
        backwards = lstm(x, P, "lstm.lstm", "_l0_reverse", backwards=True)[0]
        assert len(forwards) == 3
        close(found[row], P["dense.weight"] @ np.concatenate([forwards, backwards]) + P["dense.bias"])


def test_sizes() -> None:
    baseline = build("bi_lstm", "text", num_layers=2, lstm_size=4, fields={"hidden_dropout_prob": 0.3})
    assert (baseline.lstm.lstm.num_layers, baseline.lstm.lstm.hidden_size) == (2, 4)
    assert baseline.lstm.lstm.dropout == 0.3
    assert baseline({"text": stream("text", [3])}).hidden.shape == (1, 1, 6)


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(build("bi_lstm", "text", num_layers=2), {"text": stream("text", [6, 4, 1])})


def test_gradients_reach_every_parameter() -> None:
    baseline = build("bi_lstm", "text", num_layers=2)
    assert_gradients_reach(baseline, baseline({"text": stream("text", [5, 3])}).hidden.square().sum())


@pytest.mark.parametrize("options", [{"num_layers": 0}, {"lstm_size": 0}])
def test_sizes_below_1(options: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="'bi_lstm' needs num_layers and lstm_size of at least 1; they are "):
        build("bi_lstm", "text", **options)
