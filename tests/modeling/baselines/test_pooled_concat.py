from __future__ import annotations

import numpy as np
import pytest

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream

ALL = ("text", "image", "knowledge")


def test_means_side_by_side_through_one_relu_layer() -> None:
    baseline = build("pooled_concat", *ALL)
    streams = {
        "text": stream("text", [5, 2]),
        "image": stream("image", [4, 3]),
        "knowledge": stream("knowledge", [3, 0]),
    }
    found = baseline(streams).hidden[:, 0].detach()
    P = arrays(baseline)
    for row, lengths in enumerate([(5, 4, 3), (2, 3, 0)]):
        parts = [
            streams[name].hidden[row, :length].numpy().sum(axis=0) / max(length, 1)
            for name, length in zip(ALL, lengths, strict=True)
        ]
        expected = (P["dense.weight"] @ np.concatenate(parts) + P["dense.bias"]).clip(min=0)
        assert (expected > 0).any()
        close(found[row], expected)


def test_the_order_of_the_batch_does_not_matter() -> None:
    baseline = build("pooled_concat")
    text, image = stream("text", [5, 2]), stream("image", [4, 3])
    close(
        baseline({"image": image, "text": text}).hidden.detach(),
        baseline({"text": text, "image": image}).hidden.detach(),
    )


def test_absent_knowledge_is_as_all_masked() -> None:
    baseline = build("pooled_concat", *ALL)
    streams = {"text": stream("text", [5, 3]), "image": stream("image", [4, 4])}
    masked = baseline(streams | {"knowledge": stream("knowledge", [0, 0], tokens=3)}).hidden
    close(masked.detach(), baseline(streams).hidden.detach())


@pytest.mark.parametrize("names", [("text",), ("image",), ("text", "image"), ALL])
def test_padding_changes_nothing(names: tuple[str, ...]) -> None:
    lengths = {"text": [5, 3, 1], "image": [4, 2, 4], "knowledge": [3, 0, 1]}
    assert_padding_changes_nothing(build("pooled_concat", *names), {n: stream(n, lengths[n]) for n in names})


def test_gradients_reach_every_parameter() -> None:
    baseline = build("pooled_concat", *ALL)
    assert_gradients_reach(baseline, baseline({name: stream(name, [4] * 16) for name in ALL}).hidden.sum())
