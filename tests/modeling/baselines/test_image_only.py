from __future__ import annotations

import pytest

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream


def test_image_pooled_averages_the_grid() -> None:
    baseline = build("image_pooled", "image")
    image = stream("image", [9, 4])
    found = baseline({"image": image}).hidden[:, 0].detach()
    P = arrays(baseline)
    for row, cells in enumerate([9, 4]):
        mean = image.hidden[row, :cells].numpy().sum(axis=0) / cells
        close(found[row], P["dense.weight"] @ mean + P["dense.bias"])


def test_image_transformer_takes_the_first_token() -> None:
    baseline = build("image_transformer", "image")
    image = stream("image", [5, 5])
    P = arrays(baseline)
    expected = image.hidden[:, 0].numpy() @ P["dense.weight"].T + P["dense.bias"]
    close(baseline({"image": image}).hidden[:, 0].detach(), expected)
    close(baseline({"image": image._replace(mask=None)}).hidden[:, 0].detach(), expected)


@pytest.mark.parametrize("name", ["image_pooled", "image_transformer"])
def test_padding_changes_nothing(name: str) -> None:
    assert_padding_changes_nothing(build(name, "image"), {"image": stream("image", [6, 4, 1])})


@pytest.mark.parametrize("name", ["image_pooled", "image_transformer"])
def test_gradients_reach_every_parameter(name: str) -> None:
    baseline = build(name, "image")
    assert_gradients_reach(baseline, baseline({"image": stream("image", [5, 3])}).hidden.square().sum())


@pytest.mark.parametrize("name", ["image_pooled", "image_transformer"])
def test_the_text_is_not_read(name: str) -> None:
    baseline = build(name)
    text, image = stream("text", [4, 2]), stream("image", [3, 3])
    close(baseline({"text": text, "image": image}).hidden.detach(), baseline({"image": image}).hidden.detach())
