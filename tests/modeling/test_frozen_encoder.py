from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clfa.data.images import image_key
from clfa.errors import ImageError
from clfa.modeling.encoders import encode_image, encode_text, load_encoder
from clfa.modeling.frozen_encoder import FrozenEncoder, batches_by_length, weights_fingerprint
from clfa.processing.processor import CLFAProcessor
from clfa.store import text_key

TEXTS = ["so sunny today", "so", "what a lovely rainy day what a day", "", "so"]


class Calls:
    """Counts samples that pass through an encoder."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        self.samples = 0
        encoder.register_forward_hook(self, with_kwargs=True)

    def __call__(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        self.samples += len(output.last_hidden_state)


def text_encoder(directory: Path, cache: Path, **settings: Any) -> FrozenEncoder:
    lengths = {"max_length": settings.pop("max_length", 77)}
    processor = CLFAProcessor.from_encoders(directory, None, **lengths)
    return FrozenEncoder("text", load_encoder(directory, "text"), processor, cache, **settings)


def image_encoder(directory: Path, cache: Path, **settings: Any) -> FrozenEncoder:
    processor = CLFAProcessor.from_encoders(None, directory)
    return FrozenEncoder("image", load_encoder(directory, "vision"), processor, cache, **settings)


def pictures(count: int, directory: Path) -> list[dict[str, Any]]:
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(directory / f"{number}.png")
    return [{"bytes": None, "path": str(directory / f"{number}.png")} for number in range(count)]


def test_token_features_of_texts_are_the_encoders_own(tiny_bert_dir: Path, tmp_path: Path) -> None:
    frozen = text_encoder(tiny_bert_dir, tmp_path, batch_size=2, dtype="float32")
    keys = [frozen.key(text) for text in TEXTS]
    assert keys == [text_key(text) for text in TEXTS]
    frozen.ensure_tokens(TEXTS, keys)
    for text, key in zip(TEXTS, keys, strict=True):
        # One text alone: what it was batched and padded with does not matter.
        batch = frozen.processor(text=[text])
        with torch.no_grad():
            expected = encode_text(frozen.encoder, **batch)[0].numpy()
        assert frozen.tokens[key].shape == (int(batch["attention_mask"].sum()), frozen.width)
        np.testing.assert_allclose(frozen.tokens[key], expected, atol=1e-5)


@pytest.mark.parametrize("clip", [False, True], ids=["vit", "clip"])
def test_token_features_of_pictures_are_the_encoders_own(
    tiny_vit_dir: Path, tiny_clip_dir: Path, tmp_path: Path, clip: bool
) -> None:
    frozen = image_encoder(tiny_clip_dir if clip else tiny_vit_dir, tmp_path, batch_size=2, dtype="float32")
    contents = pictures(5, tmp_path)
    keys = [frozen.key(picture) for picture in contents]
    assert keys == [image_key(picture) for picture in contents]
    frozen.ensure_tokens(contents, keys)
    for picture, key in zip(contents, keys, strict=True):
        with torch.no_grad():
            expected = encode_image(frozen.encoder, frozen.processor(images=[picture])["pixel_values"])[0].numpy()
        assert frozen.tokens[key].shape == (5, 24)
        np.testing.assert_allclose(frozen.tokens[key], expected, atol=1e-5)


def test_the_encoder_is_put_into_evaluation_mode(tiny_bert_dir: Path, tmp_path: Path) -> None:
    encoder = load_encoder(tiny_bert_dir, "text").train()
    FrozenEncoder("text", encoder, CLFAProcessor.from_encoders(tiny_bert_dir, None), tmp_path)
    assert not encoder.training


def test_what_is_known_is_not_computed_again(tiny_bert_dir: Path, tmp_path: Path) -> None:
    frozen = text_encoder(tiny_bert_dir, tmp_path)
    calls = Calls(frozen.encoder)
    keys = [frozen.key(text) for text in TEXTS]
    frozen.ensure_tokens(TEXTS, keys)
    assert calls.samples == 4  # one text is there twice
    frozen.ensure_tokens(TEXTS, keys)
    frozen.ensure_pooled(TEXTS, keys)
    assert calls.samples == 4

    again = text_encoder(tiny_bert_dir, tmp_path)
    calls = Calls(again.encoder)
    more = [*TEXTS, "a cat"]
    again.ensure_tokens(more, [again.key(text) for text in more])
    assert calls.samples == 1
    np.testing.assert_array_equal(again.tokens[keys[0]], frozen.tokens[keys[0]])


@pytest.mark.parametrize("tokens_first", [True, False])
def test_pooled_features_are_means_of_the_tokens(tiny_bert_dir: Path, tmp_path: Path, tokens_first: bool) -> None:
    frozen = text_encoder(tiny_bert_dir, tmp_path, dtype="float32")
    keys = [frozen.key(text) for text in TEXTS]
    if tokens_first:
        frozen.ensure_tokens(TEXTS, keys)
    frozen.ensure_pooled(TEXTS, keys)
    assert (len(frozen.tokens) > 0) is tokens_first
    frozen.ensure_tokens(TEXTS, keys)
    matrix = frozen.pooled_matrix(keys)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, np.stack([frozen.tokens[key].mean(0) for key in keys]), atol=1e-6)
    assert frozen.pooled_matrix([]).shape == (0, 16)


def test_half_precision_tokens_cost_little(tiny_bert_dir: Path, tmp_path: Path) -> None:
    half, full = text_encoder(tiny_bert_dir, tmp_path), text_encoder(tiny_bert_dir, tmp_path, dtype="float32")
    assert half.fingerprint != full.fingerprint
    key = half.key(TEXTS[0])
    for frozen in (half, full):
        frozen.ensure_tokens(TEXTS[:1], [key])
    assert half.tokens[key].dtype == np.float16
    np.testing.assert_allclose(half.tokens[key], full.tokens[key], atol=2e-3)


def test_a_broken_picture_is_named_and_what_was_done_is_kept(tiny_vit_dir: Path, tmp_path: Path) -> None:
    frozen = image_encoder(tiny_vit_dir, tmp_path, batch_size=2)
    contents = pictures(4, tmp_path)
    (tmp_path / "3.png").write_bytes(b"not a picture")
    keys = [frozen.key(picture) for picture in contents]
    with pytest.raises(ImageError, match=r"3\.png"):
        frozen.ensure_tokens(contents, keys)
    assert frozen.tokens.missing(keys) == [2, 3]


# Fingerprints.


def test_equal_encoders_share_a_fingerprint(tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path: Path) -> None:
    for build, directory in ((text_encoder, tiny_bert_dir), (image_encoder, tiny_vit_dir)):
        copy = Path(shutil.copytree(directory, tmp_path / directory.name))
        assert build(directory, tmp_path).fingerprint == build(copy, tmp_path).fingerprint


def test_a_fingerprint_is_the_same_after_saving_and_loading(
    tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path: Path
) -> None:
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir)
    processor(text=["so", "so sunny"])
    processor.save_pretrained(tmp_path / "saved")
    loaded = CLFAProcessor.from_pretrained(tmp_path / "saved")
    for modality, tower, directory in (("text", "text", tiny_bert_dir), ("image", "vision", tiny_vit_dir)):
        encoder = load_encoder(directory, tower)
        fingerprints = {FrozenEncoder(modality, encoder, p, tmp_path).fingerprint for p in (processor, loaded)}
        assert len(fingerprints) == 1, modality


def test_using_a_tokenizer_does_not_change_the_fingerprint(tiny_bert_dir: Path, tmp_path: Path) -> None:
    frozen = text_encoder(tiny_bert_dir, tmp_path)
    frozen.processor(text=["so", "so sunny today"])
    frozen.processor.token_ids(["so"], 5)
    assert FrozenEncoder("text", frozen.encoder, frozen.processor, tmp_path).fingerprint == frozen.fingerprint


def test_the_fingerprint_tells_weights(tiny_bert_dir: Path, tmp_path: Path) -> None:
    frozen = text_encoder(tiny_bert_dir, tmp_path)
    before = frozen.fingerprint
    with torch.no_grad():
        frozen.encoder.encoder.layer[1].output.dense.bias[3] += 1e-6
    assert FrozenEncoder("text", frozen.encoder, frozen.processor, tmp_path).fingerprint != before


def test_the_fingerprint_tells_the_length_of_texts(tiny_bert_dir: Path, tmp_path: Path) -> None:
    one, other = (text_encoder(tiny_bert_dir, tmp_path, max_length=n) for n in (77, 8))
    assert one.fingerprint != other.fingerprint


def test_the_fingerprint_tells_the_tokenizer(tiny_bert_dir: Path, tmp_path: Path) -> None:
    frozen = text_encoder(tiny_bert_dir, tmp_path)
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, None)
    processor.tokenizer.add_tokens(["lovely-day"])
    assert FrozenEncoder("text", frozen.encoder, processor, tmp_path).fingerprint != frozen.fingerprint


@pytest.mark.parametrize("setting", [{"image_mean": [0.1, 0.1, 0.1]}, {"resample": 3}, {"do_rescale": False}])
def test_the_fingerprint_tells_the_preprocessing(tiny_vit_dir: Path, tmp_path: Path, setting: dict[str, Any]) -> None:
    frozen = image_encoder(tiny_vit_dir, tmp_path)
    before = frozen.fingerprint
    for name, value in setting.items():
        setattr(frozen.processor.image_processor, name, value)
    assert FrozenEncoder("image", frozen.encoder, frozen.processor, tmp_path).fingerprint != before


def test_fingerprints_of_any_tensor() -> None:
    module = torch.nn.BatchNorm1d(2)  # has a scalar integer buffer
    before = weights_fingerprint(module)
    assert weights_fingerprint(module) == before
    assert weights_fingerprint(module.bfloat16()) != before
    assert weights_fingerprint(module, "a") != weights_fingerprint(module, "b")


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(0, 90), max_size=40), size=st.integers(1, 9))
def test_batches_by_length_hold_every_position_once(lengths: list[int], size: int) -> None:
    batches = list(batches_by_length(lengths, size))
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    assert all(0 < len(batch) <= size for batch in batches)
    # Sorted by length from batch to batch: no grouping pads less.
    flat = [lengths[position] for batch in batches for position in batch]
    assert flat == sorted(lengths)


def test_a_length_of_its_own(tiny_bert_dir: Path, tmp_path: Path) -> None:
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, None)
    encoder = load_encoder(tiny_bert_dir, "text")
    usual, short = (FrozenEncoder("text", encoder, processor, tmp_path, max_length=n) for n in (None, 4))
    assert usual.fingerprint != short.fingerprint
    assert short.fingerprint == text_encoder(tiny_bert_dir, tmp_path, max_length=4).fingerprint
    key = text_key(TEXTS[2])
    for frozen, length in ((usual, 10), (short, 4)):
        frozen.ensure_tokens(TEXTS[2:3], [key])
        assert frozen.tokens[key].shape == (length, 16)


def test_weights_are_read_for_their_fingerprint_only_when_something_is_kept(
    tiny_bert_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[torch.nn.Module] = []

    def counted(module: torch.nn.Module, *settings: Any) -> str:
        read.append(module)
        return weights_fingerprint(module, *settings)

    monkeypatch.setattr("clfa.modeling.frozen_encoder.weights_fingerprint", counted)
    frozen = text_encoder(tiny_bert_dir, tmp_path)
    assert read == []
    assert not (tmp_path / "features").exists()
    frozen.ensure_tokens(TEXTS, [frozen.key(text) for text in TEXTS])
    frozen.ensure_pooled(TEXTS, [frozen.key(text) for text in TEXTS])
    assert len(read) == 1
