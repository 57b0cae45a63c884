"""Samples with several images: tokens joined and masked, one pass of the encoder per image."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, ViTConfig

from clfa.errors import ModelError
from clfa.modeling import CLFAConfig, CLFAForClassification
from clfa.modeling.baselines import BASELINES
from clfa.modeling.baselines.base import require_several_images
from clfa.modeling.encoders import encode_image
from clfa.modeling.fusion import FUSIONS

BERT = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24)
VIT = ViTConfig(
    image_size=32, patch_size=16, hidden_size=20, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24
)
# The baselines that read one class token of a vision transformer.
ONE_IMAGE = ["image_transformer", "interclip_mep", "multiview_clip", "res_bert"]


def build(**fields: Any) -> CLFAForClassification:
    torch.manual_seed(0)
    config: dict[str, Any] = {
        "text_config": BERT.to_dict(),
        "vision_config": VIT.to_dict(),
        "hidden_size": 12,
        "projection_hidden_size": 18,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "num_fusion_layers": 1,
        "num_labels": 3,
    }
    return CLFAForClassification(CLFAConfig(**(config | fields))).eval()


def texts(count: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    mask = torch.tensor([[1] * 5, [1] * 3 + [0] * 2, [1] * 4 + [0]])[:count]
    return {"input_ids": torch.randint(1, 50, (3, 5))[:count], "attention_mask": mask}


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, 3, 32, 32, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def run(model: CLFAForClassification, **batch: torch.Tensor) -> torch.Tensor:
    output = model(**batch)
    return torch.cat([output.logits, output.pooler_output], dim=1)


@pytest.mark.parametrize("fusion", FUSIONS.names())
def test_two_images_are_their_joined_tokens(fusion: str) -> None:
    model, pixels = build(fusion=fusion), images(3, 2)
    with torch.no_grad():
        tokens = [encode_image(model.clfa.vision_encoder, one) for one in pixels.unbind(dim=1)]
    expected = run(model, **texts(3), image_features=torch.cat(tokens, dim=1))
    torch.testing.assert_close(run(model, **texts(3), pixel_values=pixels), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("fusion", FUSIONS.names())
def test_the_order_of_the_images_does_not_matter(fusion: str) -> None:
    model, pixels = build(fusion=fusion), images(3, 4)
    one, other = run(model, **texts(3), pixel_values=pixels), run(model, **texts(3), pixel_values=pixels.flip(1))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "fields",
    [{"fusion": name} for name in FUSIONS.names()] + [{"baseline": name} for name in BASELINES.names()],
    ids=str,
)
def test_padding_of_images_changes_nothing(fields: dict[str, Any]) -> None:
    if fields.get("baseline") in (*ONE_IMAGE, "dr_net"):
        pytest.skip("reads one image, or needs knowledge")
    model, pixels = build(**fields), images(3, 3)
    exists = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1]], dtype=torch.bool)
    together = run(model, **texts(3), pixel_values=pixels, image_present=exists)
    for row, count in enumerate((1, 2, 3)):
        own = {name: tensor[row : row + 1] for name, tensor in texts(3).items()}
        alone = run(model, **own, pixel_values=pixels[row : row + 1, :count])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-4)
        if count == 1:
            torch.testing.assert_close(run(model, **own, pixel_values=pixels[row : row + 1, 0]), alone)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 3), st.floats(-100, 100))
def test_values_and_number_of_padding_do_not_matter(counts: list[int], more: int, value: float) -> None:
    model, size = build(), max(counts)
    exists = torch.arange(size + more) < torch.tensor(counts)[:, None]
    pixels = images(3, 7)[: len(counts), : size + more].clone()
    plain = run(model, **texts(len(counts)), pixel_values=pixels[:, :size], image_present=exists[:, :size])
    pixels[~exists] = value
    padded = run(model, **texts(len(counts)), pixel_values=pixels, image_present=exists)
    torch.testing.assert_close(padded, plain, atol=1e-5, rtol=1e-4)


def test_the_encoder_sees_every_image_once_and_no_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = build(), []
    encoder: Any = model.clfa.vision_encoder
    hook = encoder.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["pixel_values"]), with_kwargs=True
    )
    pixels, exists = images(2, 3), torch.tensor([[True, False, False], [True, True, False]])
    run(model, **texts(2), pixel_values=pixels, image_present=exists)
    hook.remove()
    assert len(seen) == 1
    torch.testing.assert_close(seen[0], torch.stack([pixels[0, 0], pixels[1, 0], pixels[1, 1]]))


def test_gradients_reach_the_encoder_from_every_image() -> None:
    model, pixels = build().train(), images(2, 2).requires_grad_()
    model(**texts(2), pixel_values=pixels, labels=torch.tensor([0, 1])).loss.backward()
    assert pixels.grad is not None
    assert (pixels.grad.abs().amax(dim=(2, 3, 4)) > 0).all()


def test_a_sample_without_any_image() -> None:
    model, pixels = build(allow_missing_modalities=True), images(2, 2)
    exists = torch.tensor([[True, True], [False, False]])
    found = run(model, **texts(2), pixel_values=pixels, image_present=exists)
    own = {name: tensor[1:] for name, tensor in texts(2).items()}
    torch.testing.assert_close(found[1:], run(model, **own), atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="a sample has no image; train the model with allow_missing_modalities"):
        run(build(), **texts(2), pixel_values=pixels, image_present=exists)


@pytest.mark.parametrize("name", ONE_IMAGE)
def test_baselines_that_read_one_class_token_refuse_several_images(name: str) -> None:
    message = f"baseline '{name}' reads the class token of one image and cannot read samples with several"
    with pytest.raises(ModelError, match=message):
        run(build(baseline=name), **texts(2), pixel_values=images(2, 2))


def test_which_baselines_take_several_images() -> None:
    class Grid:
        model_type = "efficientnet_lite"

    refused: dict[str, list[str]] = {"vit": [], "efficientnet_lite": []}
    for kind, config in (("vit", VIT), ("efficientnet_lite", Grid())):
        for name in BASELINES.names():
            try:
                require_several_images(name, config)
            except ModelError:
                refused[kind].append(name)
    assert sorted(refused["vit"]) == ONE_IMAGE
    assert refused["efficientnet_lite"] == ["image_transformer"]
    require_several_images(None, VIT)
