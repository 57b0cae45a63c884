from __future__ import annotations

import numpy as np

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream
from .by_hand import linear, relu

STREAMS = {"text": stream("text", [5, 2, 1]), "image": stream("image", [4, 4, 3])}


def test_students_side_by_side() -> None:
    baseline = build("dual_encoder", fields={"projection_hidden_size": 8})
    found = baseline(STREAMS).hidden.detach()
    assert found.shape == (3, 1, 6)
    P = arrays(baseline)
    for row, lengths in enumerate([(5, 4), (2, 4), (1, 3)]):
        students = []
        for name, length in zip(("text", "image"), lengths, strict=True):
            tokens = STREAMS[name].hidden[row, :length].numpy()
            inner = relu(linear(tokens, P, f"projections.{name}.fc1"))
            students.append(linear(inner, P, f"projections.{name}.fc2").mean(axis=0))
        close(found[row, 0], linear(np.concatenate(students), P, "dense"))


def test_modalities_never_interact() -> None:
    # The sum of what text and picture do alone: moving both moves the output by the sum of both moves.
    baseline = build("dual_encoder")
    other = {"text": stream("text", [5, 2, 1], seed=1), "image": stream("image", [4, 4, 3], seed=1)}
    here, there = baseline(STREAMS).hidden, baseline(other).hidden
    one = baseline({"text": other["text"], "image": STREAMS["image"]}).hidden
    two = baseline({"text": STREAMS["text"], "image": other["image"]}).hidden
    close((one + two).detach(), (here + there).detach())


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(build("dual_encoder"), STREAMS)


def test_gradients_reach_every_parameter() -> None:
    baseline = build("dual_encoder")
    assert_gradients_reach(baseline, baseline(STREAMS).hidden.square().sum())


def test_dropouts_are_the_configurations() -> None:
    fields = {"text_feature_dropout": 0.2, "image_feature_dropout": 0.3, "hidden_dropout_prob": 0.4}
    baseline = build("dual_encoder", fields=fields)
    assert baseline.projections["text"].dropout.p == 0.2
    assert baseline.projections["image"].dropout.p == 0.3
    assert baseline.dropout.p == 0.4
