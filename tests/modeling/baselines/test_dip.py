from __future__ import annotations

import numpy as np
import pytest
import torch

from clfa.errors import ModelError
from clfa.modeling.baselines.dip import DIP
from clfa.modeling.fusion import Stream
from clfa.targets.target import Target

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, close, stream
from .batches import build as build_any
from .by_hand import Array, Parameters, linear, relu, softmax

LENGTHS = {"text": [5, 2, 1], "image": [4, 4, 3]}
STREAMS = {name: stream(name, lengths) for name, lengths in LENGTHS.items()}
LABELS = torch.tensor([0, 1, 1])


def build(**options: float) -> DIP:
    baseline = build_any("dip", fields={"num_labels": 2}, **{"conv_channels": 3, **options})
    assert isinstance(baseline, DIP)
    return baseline


def trained() -> DIP:
    """With statistics as after some training."""
    baseline = build()
    with torch.no_grad():
        baseline.variances.copy_(torch.rand(2, 6))
        baseline.means.copy_(torch.tensor([0.3, -0.2]))
        baseline.squares.copy_(torch.tensor([0.2, 0.1]))
        baseline.seen.fill_(True)
    return baseline


def convolution(x: Array, P: Parameters, name: str) -> Array:
    """3 x 3 with zeros beyond the border, (C, H, W) -> (C', H, W), cell by cell."""
    weight, bias = P[f"{name}.weight"], P[f"{name}.bias"]
    wide = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    result = np.zeros((len(weight), *x.shape[1:]))
    for channel in range(len(weight)):
        for row in range(x.shape[1]):
            for column in range(x.shape[2]):
                patch = wide[:, row : row + 3, column : column + 3]
                result[channel, row, column] = (weight[channel] * patch).sum() + bias[channel]
    return result


def reference(sample: dict[str, Array], baseline: DIP) -> dict[str, Array]:
    P = arrays(baseline)
    words, regions = linear(sample["text"], P, "projections.text"), linear(sample["image"], P, "projections.image")
    correlation = relu(convolution(convolution((regions @ words.T)[None], P, "first"), P, "second"))[0]
    gates = {"text": correlation.mean(axis=0), "image": correlation.mean(axis=1)}
    result = {}
    for number, (name, tokens) in enumerate((("text", words), ("image", regions))):
        pooled = (tokens / (1 + np.exp(-gates[name]))[:, None]).mean(axis=0)
        variances = baseline.variances[number].numpy()
        result[f"semantic_{name}"] = pooled * (1 + variances / np.linalg.norm(variances))
        result[f"sentiment_{name}"] = linear(pooled, P, "sentiment")
        result[f"polarity_{name}"] = linear(relu(result[f"sentiment_{name}"]), P, "polarity")
    t, v = result["semantic_text"], result["semantic_image"]
    cosine = t @ v / np.linalg.norm(t) / np.linalg.norm(v)
    means, variance = baseline.means.numpy(), (baseline.squares - baseline.means**2).numpy()
    densities = np.exp(-((cosine - means) ** 2) / 2 / variance) / np.sqrt(2 * np.pi * variance)
    parts = [result[f"{kind}_{name}"] for kind in ("semantic", "sentiment") for name in ("text", "image")]
    gap = np.abs(result["polarity_text"] - result["polarity_image"])
    result["fused"] = linear(np.concatenate([*parts, gap, densities / densities.sum()]), P, "dense")
    return result


def test_two_branches() -> None:
    baseline = trained()
    found = baseline(STREAMS)
    assert found.mask is not None
    assert found.mask.tolist() == [[True] + [False] * 4] * 3
    for row in range(3):
        expected = reference({k: STREAMS[k].hidden[row, : LENGTHS[k][row]].numpy() for k in LENGTHS}, baseline)
        names = ("fused", "semantic_text", "semantic_image", "sentiment_text", "sentiment_image")
        for position, name in enumerate(names):
            close(found.hidden[row, position].detach(), expected[name])


def test_contrast_of_sentiments() -> None:
    baseline = trained()
    baseline.contrast_weight = 0.5
    found = baseline.auxiliary_loss(STREAMS, baseline(STREAMS), LABELS)
    samples = [
        reference({k: STREAMS[k].hidden[row, : LENGTHS[k][row]].numpy() for k in LENGTHS}, trained())
        for row in range(3)
    ]

    def unit(x: Array) -> Array:
        return x / np.linalg.norm(x)

    divergence = 0.0
    for one in samples:
        wanted = softmax(np.array([-abs(one["polarity_image"] - two["polarity_text"])[0] for two in samples]))
        scores = np.array([unit(one["sentiment_image"]) @ unit(two["sentiment_text"]) for two in samples])
        divergence += float((wanted * np.log(wanted / softmax(scores / 0.2))).sum()) / 3
    assert found is not None
    close(found.detach(), 0.5 * divergence)


def test_statistics_of_training() -> None:
    baseline = build(momentum=0.25)
    assert baseline._likelihood(torch.zeros(2)).tolist() == [[0.5, 0.5]] * 2
    tokens = torch.randn(3, 5, 6).double()
    cosines = torch.nn.functional.cosine_similarity(tokens[:, 1], tokens[:, 2], dim=-1)
    baseline.auxiliary_loss(STREAMS, Stream(tokens), torch.tensor([1, 1, 1]))
    assert baseline.seen.tolist() == [False, True]
    close(baseline.means[1], cosines.mean())
    # Uniform until every class was seen.
    assert baseline._likelihood(torch.zeros(1)).tolist() == [[0.5, 0.5]]
    baseline.auxiliary_loss(STREAMS, Stream(tokens), LABELS)
    close(baseline.means, [cosines[0], 0.75 * cosines.mean() + 0.25 * cosines[1:].mean()])
    close(baseline.squares[1], 0.75 * (cosines**2).mean() + 0.25 * (cosines[1:] ** 2).mean())
    # Labels of another kind of task leave them alone.
    before = baseline.means.clone()
    baseline.config.targets = [Target("size", "regression").to_dict()]
    assert baseline.auxiliary_loss(STREAMS, Stream(tokens), torch.rand(3)) is not None
    assert torch.equal(baseline.means, before)


def test_variances_move_in_training_only() -> None:
    baseline = build(momentum=0.25)
    baseline(STREAMS)
    assert (baseline.variances == 0).all()
    pooled = torch.stack(baseline._gated(STREAMS["text"], STREAMS["image"]), dim=1).detach()
    baseline.train()(STREAMS)
    close(baseline.variances, 0.25 * pooled.numpy().var(axis=0))


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(trained(), STREAMS)


def test_gradients_reach_every_parameter() -> None:
    baseline = trained()
    fused = baseline(STREAMS)
    auxiliary = baseline.auxiliary_loss(STREAMS, fused, LABELS)
    assert auxiliary is not None
    assert_gradients_reach(baseline, fused.hidden[:, 0].square().sum() + auxiliary)


@pytest.mark.parametrize("options", [{"momentum": 0.0}, {"momentum": 1.5}, {"conv_channels": 0}])
def test_options_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(ModelError, match="'dip' needs momentum above 0 and at most 1 and conv_channels of at least 1;"):
        build(**options)
