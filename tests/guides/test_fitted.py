from __future__ import annotations

import errno
import json
import logging
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from clfa.data.images import image_key
from clfa.errors import DataError, ModelError, RecipeError
from clfa.guides import GuideContext, fitted, retrieval_report
from clfa.guides.base import Pairs
from clfa.guides.fitted import FittedGuide
from clfa.guides.fitted_on import count_fitted_on, write_fitted_on
from clfa.modeling.encoders import load_encoder
from clfa.modeling.frozen_encoder import FrozenEncoder
from clfa.processing.processor import CLFAProcessor
from clfa.store import text_key
from posts import COLOURS, picture

FIT, HELD_OUT, LATENT = 400, 200, 8
OPTIONS: dict[str, Any] = {
    "dim": 16,
    "text_components": 20,
    "image_components": 20,
    "epochs": 20,
    "batch_size": 50,
    "dropout": 0.3,
    "learning_rate": 0.01,
}


class TableEncoder:
    """Stands for a FrozenEncoder: the pooled feature of content number n is row n of a matrix."""

    def __init__(self, modality: str, features: np.ndarray, fingerprint: str) -> None:
        self.modality, self.features, self.fingerprint = modality, features, fingerprint
        self.width = features.shape[1]
        make = text_key if modality == "text" else image_key
        self.rows = {make(self.content(n)): n for n in range(len(features))}

    def content(self, number: int) -> Any:
        return str(number) if self.modality == "text" else str(number).encode()

    def key(self, content: Any) -> bytes:
        return text_key(content) if self.modality == "text" else image_key(content)

    def ensure_pooled(self, contents: Sequence[Any], keys: Sequence[bytes]) -> None:
        assert all(key in self.rows for key in keys)

    def pooled_matrix(self, keys: Sequence[bytes]) -> np.ndarray:
        return self.features[[self.rows[key] for key in keys]]


def numbered(numbers: Sequence[int], image_numbers: Sequence[int] | None = None) -> Pairs:
    images = numbers if image_numbers is None else image_numbers
    return Pairs([str(n) for n in numbers], [str(n).encode() for n in images])


@pytest.fixture(scope="module")
def encoders() -> tuple[TableEncoder, TableEncoder]:
    """Two views of one latent cause, each drowned in strong directions of its own and far from the origin."""
    random = np.random.default_rng(0)
    latent = random.normal(size=(FIT + HELD_OUT, LATENT))
    views = []
    for width in (24, 32):
        nuisance = 10 * random.normal(size=(len(latent), 4)) @ random.normal(size=(4, width))
        noise = 0.2 * random.normal(size=(len(latent), width))
        views.append((latent @ random.normal(size=(LATENT, width)) + nuisance + noise + 30).astype(np.float32))
    return TableEncoder("text", views[0], "t"), TableEncoder("image", views[1], "i")


@pytest.fixture
def context(encoders: Any, tmp_path: Path) -> GuideContext:
    return GuideContext(
        cache=tmp_path / "cache",
        text_features=encoders[0],
        image_features=encoders[1],
        pairs=numbered(range(FIT)),
        seed=7,
    )


held_out = numbered(range(FIT, FIT + HELD_OUT))


def test_held_out_pairs_are_retrieved(context: GuideContext) -> None:
    guide = FittedGuide.from_context(context, **OPTIONS)
    texts, images = guide.embed_pairs(held_out, context.cache)
    assert texts.shape == images.shape == (HELD_OUT, guide.dim) == (HELD_OUT, 16)
    report = retrieval_report(texts, images)
    assert report.rank1 > 0.3  # chance is 0.005
    assert report.median_rank < 6  # chance is 100.5
    assert not report.near_chance


def test_shuffled_pairs_teach_nothing(context: GuideContext) -> None:
    shuffled = np.random.default_rng(1).permutation(FIT).tolist()
    guide = FittedGuide.from_context(replace(context, pairs=numbered(range(FIT), shuffled)), **OPTIONS)
    report = retrieval_report(*guide.embed_pairs(held_out, context.cache))
    assert report.near_chance
    assert report.rank1 < 0.04


def test_embeddings_are_the_maps_on_whitened_features(context: GuideContext, encoders: Any) -> None:
    guide = FittedGuide.from_context(context, **OPTIONS)
    text, image = (encoder.features[FIT:] for encoder in encoders)
    whitened = guide.image_whitenings[0]
    assert guide.text_map.weight.shape == (20, 16)
    np.testing.assert_allclose(
        guide.embed_texts(held_out.texts),
        (text - guide.text_whitening.mean) @ guide.text_whitening.map @ guide.text_map.weight,
        atol=1e-4,
    )
    np.testing.assert_allclose(
        guide.embed_images(held_out.images), (image - whitened.mean) @ whitened.map @ guide.image_map.weight, atol=1e-4
    )


def test_the_seed_decides(context: GuideContext, tmp_path: Path) -> None:
    options = {**OPTIONS, "epochs": 2}
    places = [replace(context, cache=tmp_path / str(n), seed=seed) for n, seed in enumerate((7, 7, 8))]
    first, same, other = (FittedGuide.from_context(place, **options) for place in places)
    assert np.array_equal(first.text_map.weight, same.text_map.weight)
    assert np.array_equal(first.image_map.weight, same.image_map.weight)
    assert first.fingerprint == same.fingerprint
    assert not np.allclose(first.text_map.weight, other.text_map.weight)
    assert first.fingerprint != other.fingerprint


def test_a_guide_is_fitted_once(context: GuideContext, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = []
    fit = fitted.fit_maps

    def counted(*args: Any) -> Any:
        fits.append(args)
        return fit(*args)

    monkeypatch.setattr(fitted, "fit_maps", counted)
    options = {**OPTIONS, "epochs": 1}
    first = FittedGuide.from_context(context, **options)
    again = FittedGuide.from_context(context, **options)
    assert len(fits) == 1
    assert again.fingerprint == first.fingerprint
    assert np.array_equal(again.embed_texts(held_out.texts), first.embed_texts(held_out.texts))
    # Whatever a fit depends on makes another one.
    image: Any = context.image_features
    FittedGuide.from_context(replace(context, pairs=numbered(range(FIT - 1))), **options)
    FittedGuide.from_context(replace(context, seed=8), **options)
    FittedGuide.from_context(context, **{**options, "temperature": 0.2})
    FittedGuide.from_context(
        replace(context, image_features=TableEncoder("image", image.features, "another")),  # type: ignore[arg-type]
        **options,
    )
    assert len(fits) == 5


def test_save_and_load(context: GuideContext, tmp_path: Path) -> None:
    guide = FittedGuide.from_context(context, **{**OPTIONS, "epochs": 1})
    guide.save(tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == ["guide.json", "guide.safetensors"]
    loaded = FittedGuide.from_context(replace(context, pairs=None), path=str(tmp_path / "saved"))
    assert loaded.settings == guide.settings
    assert loaded.fingerprint == guide.fingerprint
    assert np.array_equal(loaded.embed_texts(held_out.texts), guide.embed_texts(held_out.texts))
    assert np.array_equal(loaded.embed_images(held_out.images), guide.embed_images(held_out.images))
    guide.save(tmp_path / "saved")  # over an earlier one
    assert json.loads((tmp_path / "saved" / "guide.json").read_text())["sources"] == ["t", "i", ""]


def test_a_guide_of_other_encoders_is_refused(context: GuideContext, tmp_path: Path) -> None:
    FittedGuide.from_context(context, **{**OPTIONS, "epochs": 1}).save(tmp_path / "saved")
    text: Any = context.text_features
    other: Any = TableEncoder("text", text.features, "another")
    with pytest.raises(ModelError, match="was fitted on other encoders than this run's; use the same text and vision"):
        FittedGuide.from_context(replace(context, text_features=other), path=str(tmp_path / "saved"))


def test_a_directory_without_a_guide_is_refused(context: GuideContext, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a fitted guide: guide.json is missing"):
        FittedGuide.from_context(context, path=str(tmp_path))


def test_an_encoder_is_lacking(context: GuideContext, tmp_path: Path) -> None:
    lacking = replace(context, text_features=None)
    with pytest.raises(RecipeError, match="needs both a text and a vision encoder"):
        FittedGuide.from_context(lacking)
    FittedGuide.from_context(context, **{**OPTIONS, "epochs": 1}).save(tmp_path / "saved")
    with pytest.raises(RecipeError, match="needs both a text and a vision encoder"):
        FittedGuide.load(tmp_path / "saved", lacking)


def test_wrong_options(context: GuideContext) -> None:
    with pytest.raises(
        RecipeError, match=r"unknown key 'guide.epoch'; the fitted guide takes: path, .*mean 'epochs'\?"
    ):
        FittedGuide.from_context(context, epoch=3)
    with pytest.raises(RecipeError, match=r"guide.dropout: .*less than 1 \(got 1.5\); guide.epochs: .*valid integer"):
        FittedGuide.from_context(context, epochs="many", dropout=1.5)


@pytest.mark.parametrize("pairs", [None, numbered(range(15))])
def test_too_few_pairs(context: GuideContext, pairs: Pairs | None) -> None:
    found = 0 if pairs is None else 15
    with pytest.raises(DataError, match=f"at least 16 image-text pairs; the data has {found}"):
        FittedGuide.from_context(replace(context, pairs=pairs))


def test_the_fewest_pairs_suffice(context: GuideContext) -> None:
    guide = FittedGuide.from_context(replace(context, pairs=numbered(range(16))), epochs=1)
    assert guide.text_map.weight.shape == (15, 128)
    assert np.isfinite(guide.embed_texts(held_out.texts)).all()


def test_pairs_that_are_all_alike(context: GuideContext) -> None:
    with pytest.raises(DataError, match="the texts of all 20 pairs are equal"):
        FittedGuide.from_context(replace(context, pairs=numbered([3] * 20, range(20))), epochs=1)


def test_class_names_enter_where_the_vision_encoder_has_them(
    tiny_bert_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    names = ["cat", "dog", "day"]
    config = ViTConfig(
        image_size=32,
        patch_size=16,
        hidden_size=12,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )
    ViTForImageClassification(config).save_pretrained(tmp_path / "vit")
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "vit")
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, tmp_path / "vit")
    cache = tmp_path / "cache"
    images = [str(picture(tmp_path / f"{n}.png", list(COLOURS)[n % 4], n)) for n in range(20)]
    context = GuideContext(
        cache=cache,
        vision_encoder=str(tmp_path / "vit"),
        text_features=FrozenEncoder("text", load_encoder(tiny_bert_dir, "text"), processor, cache),
        image_features=FrozenEncoder("image", load_encoder(tmp_path / "vit", "vision"), processor, cache),
        pairs=Pairs([f"what a {list(COLOURS)[n % 4]} day {n}" for n in range(20)], images),
    )
    guide = FittedGuide.from_context(context, epochs=1)
    assert guide.conse is not None
    # 12 pooled features and, of 3 posteriors that add up to 1, two directions.
    pooled, vectors = guide.image_whitenings
    assert vectors.mean.shape == (16,)
    assert guide.image_map.weight.shape == (pooled.map.shape[1] + vectors.map.shape[1], 128)
    loaded = FittedGuide.from_context(context, epochs=1)
    assert np.array_equal(loaded.embed_images(images), guide.embed_images(images))
    assert loaded.fingerprint == guide.fingerprint
    without = FittedGuide.from_context(context, epochs=1, conse=False)
    assert without.conse is None
    assert len(without.image_whitenings) == 1
    # An encoder that is no classifier leaves them out, and says so.
    with caplog.at_level(logging.WARNING):
        plain = FittedGuide.from_context(replace(context, vision_encoder=None), epochs=1)
    assert plain.conse is None
    assert "fitted guide without ConSE vectors" in caplog.text
    assert plain.fingerprint == without.fingerprint


def test_other_pairs_are_fitted_on_too(context: GuideContext) -> None:
    options = {**OPTIONS, "epochs": 1}
    whole = FittedGuide.from_context(context, **options)
    chunks = [numbered(range(100, 250)), numbered(range(250, FIT))]
    both = FittedGuide.from_context(replace(context, pairs=numbered(range(100)), other_pairs=chunks), **options)
    alone = FittedGuide.from_context(replace(context, pairs=None, other_pairs=chunks), **options)
    assert both.fingerprint == whole.fingerprint
    assert alone.fingerprint != whole.fingerprint
    fewer = replace(context, pairs=numbered(range(100, FIT)), cache=context.cache / "b")
    assert FittedGuide.from_context(fewer, **options).fingerprint == alone.fingerprint
    with pytest.raises(
        DataError, match=r"at least 16 image-text pairs; the data has 9.*guide.name=none, or the recipe fast"
    ):
        FittedGuide.from_context(replace(context, pairs=numbered(range(4)), other_pairs=[numbered(range(4, 9))]))


def test_a_saved_guide_takes_no_other_pairs(context: GuideContext, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"leave out guide\.pairs or guide\.path"):
        FittedGuide.from_context(replace(context, other_pairs=[]), path=str(tmp_path))


def test_hidden_units_are_saved(context: GuideContext, tmp_path: Path) -> None:
    options = {**OPTIONS, "map": "mlp", "hidden_size": 24}
    guide = FittedGuide.from_context(context, **options)
    assert guide.text_map.weight.shape == (20 + 24, 16)
    assert not retrieval_report(*guide.embed_pairs(held_out, context.cache)).near_chance
    guide.save(tmp_path / "saved")
    loaded = FittedGuide.from_context(replace(context, pairs=None), path=str(tmp_path / "saved"))
    assert loaded.fingerprint == guide.fingerprint
    assert np.array_equal(loaded.embed_images(held_out.images), guide.embed_images(held_out.images))


def test_many_pairs_are_fitted_on_from_a_file(context: GuideContext, monkeypatch: pytest.MonkeyPatch) -> None:
    small = FittedGuide.from_context(context, **OPTIONS)
    monkeypatch.setattr(fitted, "IN_MEMORY_PAIRS", FIT - 1)
    monkeypatch.setattr(fitted, "_CHUNK", 150)
    inputs: list[Any] = []
    fit = fitted.fit_maps
    monkeypatch.setattr(fitted, "fit_maps", lambda *given: inputs.extend(given) or fit(*given))
    large = FittedGuide.from_context(replace(context, cache=context.cache / "large"), **OPTIONS)
    assert isinstance(inputs[0], np.memmap)
    assert inputs[0].shape == inputs[1].shape == (FIT, 20)
    assert not list((context.cache / "large").glob("tmp*"))
    # The components are the same up to their signs; the random start of the maps is not turned with them.
    for one, other in (
        (small.text_whitening, large.text_whitening),
        (small.image_whitenings[0], large.image_whitenings[0]),
    ):
        signs = np.sign((one.map * other.map).sum(axis=0))
        np.testing.assert_allclose(one.map, other.map * signs, rtol=2e-2, atol=1e-4)
    ranks = [retrieval_report(*guide.embed_pairs(held_out, context.cache)).median_rank for guide in (small, large)]
    assert max(ranks) < 6


@pytest.mark.slow
def test_the_memory_does_not_grow_with_the_pairs(tmp_path: Path) -> None:
    """100,000 pairs have 154 MB of features; a fit on them needs little more memory than one on a quarter of them."""
    width = 192
    rows = np.lib.format.open_memmap(tmp_path / "features.npy", "w+", np.float32, (100_000, 2 * width))
    random = np.random.default_rng(0)
    for start in range(0, len(rows), 10_000):
        latent = random.normal(size=(10_000, 8))
        rows[start : start + 10_000] = latent @ random.normal(size=(8, 2 * width)) + random.normal(
            size=(10_000, 2 * width)
        )

    class Rows:
        def __init__(self, side: int) -> None:
            self.fingerprint, self.features = str(side), rows[:, side * width : (side + 1) * width]

        def ensure_pooled(self, contents: Sequence[Any], keys: Sequence[bytes]) -> None:
            pass

        def pooled_matrix(self, keys: Sequence[bytes]) -> np.ndarray:
            return np.array(self.features[[int(key) for key in keys]])

    def peak(count: int) -> int:
        keys = [b"%016d" % number for number in range(count)]
        pairs = Pairs([""] * count, [b""] * count, keys, keys)
        sides: list[Any] = [Rows(0), Rows(1)]
        context = GuideContext(tmp_path / str(count), text_features=sides[0], image_features=sides[1], pairs=pairs)
        tracemalloc.start()
        guide = FittedGuide.from_context(context, epochs=1, conse=False, batch_size=1000)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert guide.text_map.weight.shape == (128, 128)
        return found

    small, large = peak(25_000), peak(100_000)
    # Lists and joined keys: 40 bytes a pair and side.
    assert large - small < 15e6
    assert large < 75e6


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


DAMAGES = [
    (flip, "guide.safetensors", "it has another fingerprint"),
    (cut, "guide.safetensors", "damaged"),
    (Path.unlink, "guide.safetensors", "damaged"),
    (cut, "guide.json", "damaged"),
    (lambda path: path.write_text("{}"), "guide.json", "keys are missing"),
]


@pytest.mark.parametrize(("damage", "name", "message"), DAMAGES)
def test_a_damaged_guide_is_fitted_anew_or_refused(
    context: GuideContext,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Any,
    name: str,
    message: str,
) -> None:
    options = {**OPTIONS, "epochs": 2}
    guide = FittedGuide.from_context(context, **options)
    guide.save(tmp_path / "saved")
    (kept,) = (context.cache / "guides" / "fitted").iterdir()
    assert {path.name for path in kept.iterdir()} == {"guide.safetensors", "guide.json"}
    for folder in (kept, tmp_path / "saved"):
        damage(folder / name)
    with pytest.raises(ModelError, match=message):
        FittedGuide.load(tmp_path / "saved", context)
    again = FittedGuide.from_context(context, **options)
    assert again.fingerprint == guide.fingerprint
    assert caplog.text.count("It is fitted anew.") == 1
    caplog.clear()
    assert FittedGuide.from_context(context, **options).fingerprint == guide.fingerprint
    assert "damaged" not in caplog.text


def test_a_guide_with_weights_that_are_not_finite_is_refused(context: GuideContext, tmp_path: Path) -> None:
    guide = FittedGuide.from_context(context, **{**OPTIONS, "epochs": 1})
    guide.text_map.weight[0, 0] = np.nan
    guide.save(tmp_path / "saved")
    with pytest.raises(ModelError, match=r"the guide in .*saved' has weights that are not finite numbers"):
        FittedGuide.load(tmp_path / "saved", context)


def test_an_error_of_the_system_is_no_damage_of_a_guide(
    context: GuideContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**OPTIONS, "epochs": 1}
    FittedGuide.from_context(context, **options)
    (kept,) = (context.cache / "guides" / "fitted").iterdir()
    read = Path.read_bytes

    def fail(path: Path) -> bytes:
        if path.name == "guide.safetensors":
            raise OSError(errno.EMFILE, "Too many open files", str(path))
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        with pytest.raises(OSError, match="Too many open files"):
            FittedGuide.from_context(context, **options)
    assert (kept / "guide.safetensors").is_file()


def test_a_damaged_record_of_what_a_guide_was_fitted_on_is_named(tmp_path: Path) -> None:
    write_fitted_on(tmp_path, bytes(32))
    assert count_fitted_on(tmp_path, {bytes(16)}) == 1
    cut(tmp_path / "fitted-on.safetensors")
    with pytest.raises(ModelError, match=r"fitted-on\.safetensors is damaged \(.*\); fit the guide again"):
        count_fitted_on(tmp_path, {bytes(16)})
