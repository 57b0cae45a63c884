from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, ViTConfig, ViTForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from clfa.data.images import load_image
from clfa.errors import ImageError, ModelError, RecipeError
from clfa.guides import GuideContext
from clfa.guides.conse import ConSEGuide
from clfa.modeling.encoders import load_encoder
from clfa.modeling.frozen_encoder import FrozenEncoder
from clfa.packages.efficientnet_lite import EfficientNetLiteConfig, EfficientNetLiteForImageClassification
from clfa.processing.processor import CLFAProcessor
from posts import COLOURS, picture

NAMES = ["cat", "dog", "rainy day"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("conse-pictures")
    return [str(picture(folder / f"{colour}.png", colour)) for colour in COLOURS]


@pytest.fixture(scope="module")
def classifier_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(5)
    config = ViTConfig(
        image_size=32,
        patch_size=16,
        hidden_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label=dict(enumerate(NAMES)),
        label2id={name: i for i, name in enumerate(NAMES)},
    )
    model = ViTForImageClassification(config)
    with torch.no_grad():
        model.classifier.weight.mul_(15)
    model.save_pretrained(directory)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(directory)
    return directory


@pytest.fixture
def text(tiny_bert_dir: Path, tmp_path: Path) -> FrozenEncoder:
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, None)
    return FrozenEncoder("text", load_encoder(tiny_bert_dir, "text"), processor, tmp_path)


def pooled(directory: Path, texts: list[str]) -> np.ndarray:
    """L2-normalised mean of the encoder's tokens, one text at a time."""
    tokenizer, model = AutoTokenizer.from_pretrained(directory), AutoModel.from_pretrained(directory).eval()
    rows = []
    for one in texts:
        with torch.no_grad():
            rows.append(model(**tokenizer(one, return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy())
    matrix = np.stack(rows)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def test_a_worked_example(text: FrozenEncoder, classifier_dir: Path, pictures: list[str]) -> None:
    guide = ConSEGuide(text, str(classifier_dir))
    guide.class_embeds = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    # A constant added to all logits of a picture changes nothing.
    logits = np.log([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [1 / 3, 1 / 3, 1 / 3]]) + np.array([[7.0], [-2.0], [0.0]])
    guide.classifier = lambda pixels: SimpleNamespace(logits=torch.from_numpy(logits[: len(pixels)]))
    np.testing.assert_allclose(
        guide.embed_images(pictures[:3]), [[0.62, 0.46], [0.58, 0.74], [1.6 / 3, 1.8 / 3]], atol=1e-6
    )


def test_pictures_are_posteriors_times_class_embeddings(
    text: FrozenEncoder, tiny_bert_dir: Path, classifier_dir: Path, pictures: list[str]
) -> None:
    guide = ConSEGuide(text, str(classifier_dir), batch_size=3)
    classes = pooled(tiny_bert_dir, [f"a photo of a {name}" for name in NAMES])
    np.testing.assert_allclose(guide.class_embeds, classes, atol=1e-5)
    processor = AutoImageProcessor.from_pretrained(classifier_dir)
    model = ViTForImageClassification.from_pretrained(classifier_dir).eval()
    with torch.no_grad():
        inputs = processor([load_image(path) for path in pictures], return_tensors="pt")
        posterior = model(**inputs).logits.softmax(dim=-1).numpy()
    assert posterior.std(axis=0).max() > 0.005
    embeds = guide.embed_images(pictures)
    assert embeds.shape == (4, guide.dim) == (4, 16)
    assert embeds.dtype == np.float32
    np.testing.assert_allclose(embeds, posterior @ classes, atol=1e-5)


def test_texts_are_their_pooled_embeddings(text: FrozenEncoder, tiny_bert_dir: Path, classifier_dir: Path) -> None:
    texts = ["so sunny", "what a lovely day", "a", "so sunny"]
    np.testing.assert_allclose(
        ConSEGuide(text, str(classifier_dir)).embed_texts(texts), pooled(tiny_bert_dir, texts), atol=1e-5
    )


@pytest.fixture(scope="module")
def lite_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("efficientnet_lite_pytorch")
    directory = tmp_path_factory.mktemp("lite")
    torch.manual_seed(6)
    config = EfficientNetLiteConfig(image_size=64, id2label=dict(enumerate(NAMES)))
    EfficientNetLiteForImageClassification(config).save_pretrained(directory)
    ViTImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(directory)
    return directory


def test_cached_features_of_the_backbone_are_classified(
    text: FrozenEncoder, lite_dir: Path, pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = FrozenEncoder(
        "image", load_encoder(lite_dir, "vision"), CLFAProcessor.from_encoders(None, lite_dir), tmp_path
    )
    shortcut = ConSEGuide(text, str(lite_dir), image=image)
    assert shortcut.image is image
    whole = ConSEGuide(text, str(lite_dir))
    assert whole.image is None
    assert shortcut.fingerprint == whole.fingerprint
    expected = whole.embed_images(pictures)
    image.ensure_pooled(pictures, [image.key(path) for path in pictures])

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the network ran although its features are cached")

    monkeypatch.setattr(shortcut.classifier, "forward", fail)
    monkeypatch.setattr(image.encoder, "forward", fail)
    np.testing.assert_allclose(shortcut.embed_images(pictures), expected, atol=1e-5)


def test_features_of_another_network_are_not_classified(
    text: FrozenEncoder, lite_dir: Path, tiny_vit_dir: Path, tmp_path: Path
) -> None:
    image = FrozenEncoder(
        "image", load_encoder(tiny_vit_dir, "vision"), CLFAProcessor.from_encoders(None, tiny_vit_dir), tmp_path
    )
    assert ConSEGuide(text, str(lite_dir), image=image).image is None


def test_the_fingerprint_names_everything_the_embeddings_depend_on(
    text: FrozenEncoder, tiny_bert_dir: Path, classifier_dir: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(classifier_dir, other)
    model = ViTForImageClassification.from_pretrained(other)
    model.config.id2label[0] = "lion"
    model.save_pretrained(other)
    short = FrozenEncoder(
        "text", text.encoder, CLFAProcessor.from_encoders(tiny_bert_dir, None, max_length=8), tmp_path
    )
    guides = [
        ConSEGuide(text, str(classifier_dir)),
        ConSEGuide(text, str(classifier_dir), prompt="one {}"),
        ConSEGuide(text, str(other)),
        ConSEGuide(short, str(classifier_dir)),
    ]
    assert len({guide.fingerprint for guide in guides}) == 4
    assert guides[0].fingerprint == ConSEGuide(text, str(classifier_dir), batch_size=1).fingerprint


def test_a_classifier_without_class_names_is_refused(text: FrozenEncoder, classifier_dir: Path, tmp_path: Path) -> None:
    nameless = tmp_path / "nameless"
    shutil.copytree(classifier_dir, nameless)
    model = ViTForImageClassification.from_pretrained(nameless)
    model.config.id2label = {i: f"LABEL_{i}" for i in range(3)}
    model.save_pretrained(nameless)
    with pytest.raises(ModelError, match=r"nameless' has no class names \(config.id2label\)"):
        ConSEGuide(text, str(nameless))


def test_a_prompt_without_a_place_for_the_name_is_refused(text: FrozenEncoder, classifier_dir: Path) -> None:
    with pytest.raises(RecipeError, match=r"guide.prompt is 'a photo'; it needs a \{\} in the place"):
        ConSEGuide(text, str(classifier_dir), prompt="a photo")


def test_an_unreadable_picture_is_named(text: FrozenEncoder, classifier_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"absent\.jpg"):
        ConSEGuide(text, str(classifier_dir)).embed_images([str(tmp_path / "absent.jpg")])


def test_from_context(text: FrozenEncoder, classifier_dir: Path, tmp_path: Path) -> None:
    context = GuideContext(cache=tmp_path, text_features=text, vision_encoder=str(classifier_dir))
    guide = ConSEGuide.from_context(context, prompt="one {}")
    assert guide.prompt == "one {}"
    with pytest.raises(RecipeError, match=r"unknown key 'guide.promt'.*Did you mean 'prompt'\?"):
        ConSEGuide.from_context(context, promt="one {}")
    for lacking in (
        GuideContext(cache=tmp_path, text_features=text),
        GuideContext(cache=tmp_path, vision_encoder=str(classifier_dir)),
    ):
        with pytest.raises(RecipeError, match=r"needs a text encoder and an image classifier \(guide.classifier\)"):
            ConSEGuide.from_context(lacking)
