from __future__ import annotations

import torch

from clfa.modeling.fusion.concatenation import concatenate

from .parts import make_streams, with_graphs


def test_tokens_and_masks_stand_behind_one_another() -> None:
    streams = with_graphs(make_streams())
    both = concatenate([streams["image"], streams["knowledge"]])
    assert torch.equal(both.hidden[:, :5], streams["image"].hidden)
    assert torch.equal(both.hidden[:, 5:], streams["knowledge"].hidden)
    assert both.mask is not None
    assert both.mask.tolist() == [[1] * 5 + [1, 1, 0], [1] * 5 + [1, 1, 1], [1] * 5 + [0, 0, 0]]
    assert both.bias is None


def test_no_mask_stays_none() -> None:
    image = make_streams("image")["image"]
    assert concatenate([image, image]).mask is None
    assert torch.equal(concatenate([image]).hidden, image.hidden)
