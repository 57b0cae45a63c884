from __future__ import annotations

import numpy as np
from transformers import CLIPTextConfig, CLIPVisionConfig

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream
from .by_hand import context_layer, gelu, linear, softmax

CLIP = {"text_config": CLIPTextConfig().to_dict(), "vision_config": CLIPVisionConfig().to_dict()}
LENGTHS = {"text": [5, 2, 1], "image": [4, 4, 4]}
STREAMS = {name: stream(name, lengths) for name, lengths in LENGTHS.items()}


def test_three_views() -> None:
    baseline = build("multiview_clip", fields=CLIP)
    found = baseline(STREAMS)
    assert found.hidden.shape == (3, 3, 6)
    assert found.mask is None
    P = arrays(baseline)
    for row in range(3):
        text, image = (STREAMS[name].hidden[row, : LENGTHS[name][row]].numpy() for name in ("text", "image"))
        # CLIP's vectors: the last text token and the first image token.
        expected = [gelu(linear(text[-1], P, "views_of_one.text.0")), gelu(linear(image[0], P, "views_of_one.image.0"))]
        both = np.concatenate([linear(image, P, "projections.image"), linear(text, P, "projections.text")])
        for number in range(2):
            both = context_layer(both, both, P, f"layers.{number}")
        pair = np.stack([both[-1], both[0]])
        expected.append(softmax(pair @ P["keyless.weight"][0]) @ pair)
        close(found.hidden[row].detach(), np.stack(expected))


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(build("multiview_clip", fields=CLIP), STREAMS)
    assert_padding_changes_nothing(build("multiview_clip"), STREAMS)


def test_gradients_reach_every_parameter() -> None:
    baseline = build("multiview_clip", fields=CLIP)
    assert_gradients_reach(baseline, baseline(STREAMS).hidden.square().sum())
