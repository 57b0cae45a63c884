from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel, ResNetConfig, ResNetForImageClassification, ResNetModel, ViTConfig, ViTModel

from clfa.cpu.channels_last import exchange


def encoder_of(kind: type[PreTrainedModel] = ResNetModel) -> PreTrainedModel:
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], num_labels=3)
    encoder: PreTrainedModel = kind(config)
    return encoder.eval()


def passes_of(encoder: PreTrainedModel) -> list[tuple[int, bool]]:
    """Pictures of each pass through the first convolution, and whether their channels come last."""
    found: list[tuple[int, bool]] = []
    first = next(module for module in encoder.modules() if isinstance(module, nn.Conv2d))
    first.register_forward_pre_hook(
        lambda module, inputs: found.append(
            (len(inputs[0]), inputs[0].is_contiguous(memory_format=torch.channels_last))
        )
    )
    return found


@pytest.mark.parametrize("training", [False, True])
def test_few_pictures_at_a_time_unless_batch_statistics_are_used(training: bool) -> None:
    encoder = encoder_of().train(training)
    plain = copy.deepcopy(encoder)
    exchange(encoder)
    passes = passes_of(encoder)
    pixels = torch.randn(19, 3, 32, 32, requires_grad=True)
    found = encoder(pixel_values=pixels)
    assert passes == ([(19, True)] if training else [(8, True), (8, True), (3, True)])
    found.last_hidden_state.square().sum().backward()
    gradient, pixels.grad = pixels.grad, None
    expected = plain(pixel_values=pixels)
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.pooler_output, expected.pooler_output, atol=1e-5, rtol=1e-5)
    expected.last_hidden_state.square().sum().backward()
    torch.testing.assert_close(gradient, pixels.grad, atol=1e-4, rtol=1e-4)


def test_any_output_is_joined() -> None:
    encoder = encoder_of(ResNetForImageClassification)
    pixels = torch.randn(10, 3, 32, 32)
    encoder.config.output_hidden_states = True
    before = encoder(pixel_values=pixels)
    exchange(encoder)
    found = encoder(pixel_values=pixels)
    assert found.logits.shape == (10, 3)
    torch.testing.assert_close(found.logits, before.logits)
    assert len(found.hidden_states) == len(before.hidden_states) > 1
    torch.testing.assert_close(found.hidden_states, before.hidden_states, atol=1e-5, rtol=1e-5)
    encoder.config.return_dict = False
    torch.testing.assert_close(encoder(pixel_values=pixels)[0], before.logits)


def test_other_arguments_go_to_the_encoder_at_once() -> None:
    encoder = encoder_of()
    exchange(encoder)
    passes = passes_of(encoder)
    encoder(torch.zeros(9, 3, 32, 32))
    assert len(encoder(pixel_values=torch.zeros(9, 3, 32, 32), output_hidden_states=True).hidden_states) > 1
    assert [count for count, _ in passes] == [9, 9]


def test_only_convolutional_encoders_are_exchanged() -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    wrapped = encoder_of()
    wrapped.forward = wrapped.forward
    before = wrapped.forward
    exchange(wrapped)
    assert wrapped.forward is before
    for module in (ViTModel(ViTConfig(image_size=16, patch_size=8, **sizes)), nn.Conv2d(3, 3, 3)):
        exchange(module)
        assert "forward" not in vars(module)
