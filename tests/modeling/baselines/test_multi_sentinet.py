from __future__ import annotations

import numpy as np
import pytest
import torch

from clfa.errors import ModelError
from clfa.modeling.fusion import Stream

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream
from .recurrence import lstm

ALL = ("text", "image", "knowledge")


def reference(P: dict[str, np.ndarray], text: np.ndarray, visual: dict[str, np.ndarray | None]) -> np.ndarray:
    """One sample; ``visual`` holds the tokens of image and knowledge, ``None`` where it has none."""
    states = lstm(text, P, "lstm.lstm")
    vectors = [
        np.zeros(6)
        if tokens is None
        else np.tanh(P[f"visual.{name}.weight"] @ tokens.mean(axis=0) + P[f"visual.{name}.bias"])
        for name, tokens in visual.items()
    ]
    shift = sum(P[f"attention.guides.{number}.weight"] @ vector for number, vector in enumerate(vectors))
    scores = [
        P["attention.score.weight"][0] @ np.tanh(P["attention.token.weight"] @ h + P["attention.token.bias"] + shift)
        for h in states
    ]
    weights = np.exp(scores) / np.exp(scores).sum()
    words = sum(weight * h for weight, h in zip(weights, states, strict=True))
    fused: np.ndarray = P["aggregate.weight"] @ np.concatenate([words, *vectors]) + P["aggregate.bias"]
    return fused.clip(min=0)


def test_visual_vectors_guide_the_attention_over_the_words() -> None:
    baseline = build("multi_sentinet", *ALL)
    streams = {"text": stream("text", [5, 3, 2]), "image": stream("image", [4, 4, 2])}
    streams["knowledge"] = stream("knowledge", [3, 0, 1])
    found = baseline(streams).hidden[:, 0].detach()
    for row, (t, i, k) in enumerate([(5, 4, 3), (3, 4, 0), (2, 2, 1)]):
        visual = {
            "image": streams["image"].hidden[row, :i].numpy(),
            "knowledge": streams["knowledge"].hidden[row, :k].numpy() if k else None,
        }
        expected = reference(arrays(baseline), streams["text"].hidden[row, :t].numpy(), visual)
        assert (expected > 0).any()
        close(found[row], expected)


def test_without_a_knowledge_stream_the_object_vector_guides_alone() -> None:
    baseline = build("multi_sentinet")
    assert baseline.seen == ["image"]
    assert baseline.aggregate.in_features == 12
    streams = {"text": stream("text", [5]), "image": stream("image", [4])}
    expected = reference(
        arrays(baseline), streams["text"].hidden[0].numpy(), {"image": streams["image"].hidden[0].numpy()}
    )
    close(baseline(streams).hidden[0, 0].detach(), expected)


def test_absent_knowledge_is_as_all_masked() -> None:
    baseline = build("multi_sentinet", *ALL)
    streams = {"text": stream("text", [5, 3]), "image": stream("image", [4, 4])}
    absent = baseline(streams).hidden
    masked = baseline(streams | {"knowledge": stream("knowledge", [0, 0], tokens=3)}).hidden
    close(masked.detach(), absent.detach())


def test_padding_changes_nothing() -> None:
    streams = {"text": stream("text", [5, 3, 1]), "image": stream("image", [4, 2, 4])}
    assert_padding_changes_nothing(
        build("multi_sentinet", *ALL), streams | {"knowledge": stream("knowledge", [3, 0, 1])}
    )


def test_gradients_reach_every_parameter() -> None:
    baseline = build("multi_sentinet", *ALL)
    streams = {name: stream(name, [4] * 16) for name in ALL}
    assert_gradients_reach(baseline, baseline(streams).hidden.square().sum())


@pytest.mark.parametrize(("stream_name", "how"), [("text", "vision_encoder"), ("image", "text_encoder")])
def test_both_modalities_are_needed(stream_name: str, how: str) -> None:
    missing = {"text": "image", "image": "text"}[stream_name]
    with pytest.raises(ModelError, match=f"baseline 'multi_sentinet' needs {missing}: set model.{how}"):
        build("multi_sentinet", stream_name)


def test_an_image_without_a_mask() -> None:
    baseline = build("multi_sentinet")
    text, image = stream("text", [5]), stream("image", [4])
    close(
        baseline({"text": text, "image": Stream(image.hidden)}).hidden.detach(),
        baseline({"text": text, "image": image}).hidden.detach(),
    )
    assert torch.isfinite(baseline({"text": text, "image": image}).hidden).all()
