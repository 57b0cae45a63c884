from __future__ import annotations

import pytest
import torch
from torch import nn

from clfa.cpu import clipping
from clfa.cpu.clipping import clip_gradients, clip_within_step, folding_pays, takes_scale, total_norm


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    found = [nn.Parameter(torch.randn(*shape, generator=generator)) for shape in ((3, 4), (5,), (2, 2))]
    for parameter in found[:2]:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    return found


@pytest.mark.parametrize("max_norm", [0.01, 1.0, 1e6])
def test_the_step_of_clipped_gradients(max_norm: float) -> None:
    results = []
    for folded in (False, True):
        weights = parameters()
        optimizer = torch.optim.AdamW(weights, lr=0.1, fused=True)
        for _ in range(3):
            if folded:
                norm = clip_within_step(optimizer, weights, max_norm)
            else:
                norm = nn.utils.clip_grad_norm_(weights, max_norm)
            optimizer.step()
            for weight in weights[:2]:
                weight.grad = weight.detach() * 2
        state = [optimizer.state[weight]["exp_avg"] for weight in weights[:2]]
        results.append([norm, *weights, *state])
    for found, expected in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_which_optimisers_can() -> None:
    weights = parameters()
    assert takes_scale(torch.optim.AdamW(weights, fused=True))
    assert not takes_scale(torch.optim.AdamW(weights))
    assert not takes_scale(torch.optim.SGD(weights, fused=True))


def test_the_norm_is_pytorchs() -> None:
    generator = torch.Generator().manual_seed(0)
    # Large ones are cut into rows where they can be: 2^16 numbers, one more, transposed, small, none above zero.
    gradients = [torch.randn(*shape, generator=generator) for shape in ((256, 256), (65537,), (300, 300), (3,))]
    gradients += [torch.randn(512, 256, generator=generator).t(), torch.zeros(5)]
    expected = torch.cat([gradient.double().flatten() for gradient in gradients]).norm()
    torch.testing.assert_close(total_norm(gradients).double(), expected, atol=0, rtol=1e-6)
    torch.testing.assert_close(total_norm(gradients), nn.utils.get_total_norm(gradients), atol=0, rtol=1e-6)


def test_which_models_are_large() -> None:
    trained, frozen = nn.Linear(1, 2**24 - 1, device="meta"), nn.Linear(1, 2**24, device="meta")
    frozen.requires_grad_(False)
    small = nn.Linear(2, 3)
    assert folding_pays([*trained.parameters(), *frozen.parameters()])
    assert not folding_pays([*small.parameters(), *frozen.parameters()])


@pytest.mark.parametrize("off", ["nothing", "switch", "size", "optimizer"])
def test_clipped_where_it_pays_and_left_to_the_caller_elsewhere(monkeypatch: pytest.MonkeyPatch, off: str) -> None:
    monkeypatch.setattr(clipping, "enabled", lambda: off != "switch")
    monkeypatch.setattr(clipping, "_LARGE_MODEL", 2**24 if off == "size" else 0)
    weights = parameters()
    optimizer = torch.optim.AdamW(weights, fused=off != "optimizer")
    norm = clip_gradients(optimizer, iter(weights), 0.5)
    assert (norm is not None) == (off == "nothing")
    assert (getattr(optimizer, "grad_scale", None) is not None) == (off == "nothing")
    if norm is not None:
        torch.testing.assert_close(optimizer.grad_scale, (norm + 1e-6) / 0.5)
