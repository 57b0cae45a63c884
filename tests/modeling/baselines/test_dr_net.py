from __future__ import annotations

import numpy as np
import torch

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream
from .by_hand import Array, Parameters, bi_lstm, linear, relu, softmax

ALL = ("text", "image", "knowledge")
LENGTHS = {"text": [5, 2, 1], "image": [4, 4, 3], "knowledge": [3, 0, 2]}
STREAMS = {name: stream(name, lengths) for name, lengths in LENGTHS.items()}
LABELS = torch.tensor([0, 1, 0])


def reference(sample: dict[str, Array], P: Parameters) -> tuple[Array, dict[str, Array]]:
    states = bi_lstm(sample["text"], P, "lstm.lstm")
    x = {
        "text": np.tanh(linear(states.mean(axis=0), P, "inputs.text")),
        "image": np.tanh(linear(sample["image"].mean(axis=0), P, "inputs.image")),
    }
    relation = np.zeros(states.shape[1])
    if "knowledge" in sample:
        importance = softmax(linear(np.tanh(linear(sample["knowledge"], P, "view")), P, "view_score")[:, 0])
        for weight, pair in zip(importance, sample["knowledge"], strict=True):
            scores = states @ (P["association.weight"] @ pair) / np.sqrt(states.shape[1])
            relation = relation + weight * (softmax(scores) @ states)
    contrast = [linear(x[name], P, f"private.{name}") for name in ("text", "image")]
    return relu(linear(np.concatenate([*contrast, relation]), P, "dense")), x


def test_contrast_and_relation() -> None:
    baseline = build("dr_net", *ALL)
    fused = baseline(STREAMS)
    assert fused.mask is not None
    assert fused.mask.tolist() == [[True, False, False]] * 3
    for row in range(3):
        sample = {name: STREAMS[name].hidden[row, : LENGTHS[name][row]].numpy() for name in ALL if LENGTHS[name][row]}
        expected, vectors = reference(sample, arrays(baseline))
        close(fused.hidden[row, 0].detach(), expected)
        close(fused.hidden[row, 1:].detach(), np.stack([vectors["text"], vectors["image"]]))


def test_reconstruction_and_orthogonality() -> None:
    baseline = build("dr_net", *ALL, reconstruction_weight=0.3, orthogonality_weight=0.7)
    found = baseline.auxiliary_loss(STREAMS, baseline(STREAMS), LABELS)
    P, errors, overlaps = arrays(baseline), [], []
    for name in ("text", "image"):
        overlaps.append(((P["shared.weight"] @ P[f"private.{name}.weight"].T) ** 2).sum() / 6**2)
        for row in range(3):
            sample = {key: STREAMS[key].hidden[row, : LENGTHS[key][row]].numpy() for key in ALL if LENGTHS[key][row]}
            x = reference(sample, P)[1][name]
            parts = np.concatenate([linear(x, P, "shared"), linear(x, P, f"private.{name}")])
            errors.append(((x - linear(parts, P, f"reconstruction.{name}")) ** 2).mean())
    assert found is not None
    # Both modalities' mean errors are added.
    close(found.detach(), 0.3 * 2 * np.mean(errors) + 0.7 * np.sum(overlaps))


def test_orthogonal_spaces_cost_nothing() -> None:
    baseline = build("dr_net", *ALL, reconstruction_weight=0.0)
    with torch.no_grad():
        baseline.shared.weight.copy_(torch.diag(torch.tensor([1.0, 1, 1, 0, 0, 0])))
        for private in baseline.private.values():
            private.weight.copy_(torch.diag(torch.tensor([0.0, 0, 0, 1, 1, 1])))
    found = baseline.auxiliary_loss(STREAMS, baseline(STREAMS), LABELS)
    assert found is not None
    assert found.item() == 0


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(build("dr_net", *ALL), STREAMS)


def test_a_batch_without_pairs() -> None:
    baseline = build("dr_net", *ALL)
    found = baseline({name: STREAMS[name] for name in ("text", "image")}).hidden
    sample = {name: STREAMS[name].hidden[0, : LENGTHS[name][0]].numpy() for name in ("text", "image")}
    close(found[0, 0].detach(), reference(sample, arrays(baseline))[0])


def test_gradients_reach_every_parameter() -> None:
    baseline = build("dr_net", *ALL)
    fused = baseline(STREAMS)
    auxiliary = baseline.auxiliary_loss(STREAMS, fused, LABELS)
    assert auxiliary is not None
    assert_gradients_reach(baseline, fused.hidden[:, 0].square().sum() + auxiliary)
