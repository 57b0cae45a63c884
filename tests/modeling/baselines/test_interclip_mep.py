from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import CLIPTextConfig, CLIPVisionConfig

from clfa.modeling.fusion import Stream
from clfa.targets.target import Target

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream
from .by_hand import context_layer, linear, relu

CLIP = {"text_config": CLIPTextConfig().to_dict(), "vision_config": CLIPVisionConfig().to_dict()}
LENGTHS = {"text": [5, 2, 1], "image": [4, 4, 4]}
STREAMS = {name: stream(name, lengths) for name, lengths in LENGTHS.items()}


def test_image_under_the_condition_of_the_text() -> None:
    baseline = build("interclip_mep", fields=CLIP)
    found = baseline(STREAMS)
    assert found.mask is not None
    assert found.mask.tolist() == [[True, False]] * 3
    P = arrays(baseline)
    for row in range(3):
        text, image = (STREAMS[name].hidden[row, : LENGTHS[name][row]].numpy() for name in ("text", "image"))
        condition = linear(relu(linear(text, P, "adapter.0")), P, "adapter.2")
        seen = linear(image, P, "image")
        for number in range(2):
            seen = context_layer(seen, np.concatenate([seen, condition]), P, f"layers.{number}")
        both = np.concatenate([seen[0], text[-1]])
        z = linear(relu(linear(both, P, "projection.0")), P, "projection.2")
        close(found.hidden[row, 0].detach(), relu(linear(both, P, "dense")))
        close(found.hidden[row, 1].detach(), z / np.linalg.norm(z))


def test_the_condition_sends_no_gradient_into_the_text_encoder() -> None:
    baseline = build("interclip_mep", fields=CLIP)
    text = STREAMS["text"].hidden.clone().requires_grad_()
    baseline(STREAMS | {"text": STREAMS["text"]._replace(hidden=text)}).hidden.square().sum().backward()
    assert text.grad is not None
    reached = text.grad.abs().sum(dim=-1) > 0
    # Only the end-of-text token, through the concatenation.
    assert reached.tolist() == [[False] * 4 + [True], [False, True] + [False] * 3, [True] + [False] * 4]


@pytest.mark.parametrize("labels", [[0, 1, 0, 1, 1], [0, 2, 1, 1, 2], [1, 1, 1, 1, 1]])
def test_similarity_loss(labels: list[int]) -> None:
    torch.manual_seed(0)
    z = torch.nn.functional.normalize(torch.randn(5, 6).double(), dim=-1)
    baseline = build("interclip_mep", similarity_weight=0.5)
    found = baseline.auxiliary_loss(
        STREAMS, Stream(torch.stack([torch.randn(5, 6).double(), z], dim=1)), torch.tensor(labels)
    )
    expected, classes = 0.0, {label: z[[number for number, x in enumerate(labels) if x == label]] for label in labels}
    for rows in classes.values():
        expected += np.mean([1 - float(a @ b) for a in rows for b in rows])
    across = [
        max(0.0, float(a @ b))
        for one in classes
        for two in classes
        if one != two
        for a in classes[one]
        for b in classes[two]
    ]
    expected += np.mean(across) if across else 0.0
    assert found is not None
    close(found, 0.5 * expected)


def test_no_similarity_loss_without_one_class_per_sample() -> None:
    baseline = build("interclip_mep", fields={"targets": [Target("size", "regression").to_dict()]})
    assert baseline.auxiliary_loss(STREAMS, Stream(torch.randn(2, 2, 6)), torch.tensor([0.3, 0.7])) is None


def test_samples_without_a_label_do_not_count() -> None:
    z = torch.nn.functional.normalize(torch.randn(4, 2, 6).double(), dim=-1)
    targets = [Target("irony", label_names=("no", "yes")).to_dict()]
    found = build("interclip_mep", fields={"targets": targets}).auxiliary_loss(
        STREAMS, Stream(z), torch.tensor([[0.0], [torch.nan], [1.0], [1.0]])
    )
    expected = build("interclip_mep").auxiliary_loss(STREAMS, Stream(z[[0, 2, 3]]), torch.tensor([0, 1, 1]))
    close(found, expected)


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(build("interclip_mep", fields=CLIP), STREAMS)
    assert_padding_changes_nothing(build("interclip_mep"), STREAMS)


def test_gradients_reach_every_parameter() -> None:
    baseline = build("interclip_mep", fields=CLIP)
    fused = baseline(STREAMS)
    auxiliary = baseline.auxiliary_loss(STREAMS, fused, torch.tensor([0, 1, 1]))
    assert auxiliary is not None
    assert_gradients_reach(baseline, fused.hidden[:, 0].square().sum() + auxiliary)
