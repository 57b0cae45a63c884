from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from transformers import AutoProcessor, BertConfig, ViTConfig

import clfa.modeling.model  # noqa: F401 - registers the Auto classes
from clfa.errors import ImageError, ModelError
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.modeling import CLFAConfig
from clfa.processing.processor import CLFAProcessor
from clfa.processing.terms import Terms


def picture(seed: int = 0, size: tuple[int, int] = (40, 30)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def processor(tiny_bert_dir: Path, tiny_vit_dir: Path) -> CLFAProcessor:
    return CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir, max_length=6, knowledge_max_length=4)


def same(a: Any, b: Any) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_a_batch_of_both(processor: CLFAProcessor) -> None:
    batch = processor(text=["so sunny", "so"], images=[picture(0), picture(1)])
    assert set(batch) == {"input_ids", "attention_mask", "pixel_values"}
    assert batch["input_ids"].tolist() == [[2, 5, 6, 3], [2, 5, 3, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert batch["pixel_values"].shape == (2, 3, 32, 32)


def test_one_text_and_one_picture_make_a_batch_of_one(processor: CLFAProcessor) -> None:
    batch = processor(text="so sunny", images=picture())
    assert batch["input_ids"].shape == (1, 4)
    assert batch["pixel_values"].shape == (1, 3, 32, 32)


def test_long_texts_are_cut_with_their_special_tokens(processor: CLFAProcessor) -> None:
    text = "so sunny " * 20
    assert processor(text=[text])["input_ids"].tolist() == [[2, 5, 6, 5, 6, 3]]
    assert processor.token_ids([text, "so"]) == [[2, 5, 6, 5, 6, 3], [2, 5, 3]]
    assert processor.token_ids([text], 3) == [[2, 5, 3]]


def test_knowledge_is_masked_where_a_sample_has_none(processor: CLFAProcessor) -> None:
    batch = processor(text=["so", "so", "so"], knowledge=[None, "a dog a dog", ""])
    assert batch["knowledge_attention_mask"].tolist() == [[0] * 4, [1] * 4, [0] * 4]
    assert batch["knowledge_input_ids"].shape == (3, 4)


def test_knowledge_that_nobody_has_is_no_part_of_the_batch(processor: CLFAProcessor) -> None:
    assert set(processor(text=["so", "so"], knowledge=[None, ""])) == {"input_ids", "attention_mask"}


def test_one_knowledge_text_is_a_batch_of_one(processor: CLFAProcessor) -> None:
    batch = processor(text="so", knowledge="a dog a dog")
    assert same(batch, processor(text=["so"], knowledge=["a dog a dog"]))
    assert batch["knowledge_input_ids"].shape == (1, 4)


def test_numpy_arrays(processor: CLFAProcessor) -> None:
    inputs: dict[str, Any] = {"text": ["so sunny", None], "images": [None, picture()], "knowledge": [None, "a dog"]}
    arrays, tensors = processor(**inputs, return_tensors="np"), processor(**inputs, return_tensors="pt")
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
    assert same({name: torch.from_numpy(array) for name, array in arrays.items()}, tensors)
    with pytest.raises(ValueError, match="return_tensors is 'tf'; choose one of 'pt', 'np'"):
        processor(text="so", return_tensors="tf")


def test_unknown_arguments_are_refused_by_name(processor: CLFAProcessor) -> None:
    with pytest.raises(TypeError, match=r"CLFAProcessor has no argument 'image'\. Did you mean 'images'\? The"):
        processor(text="so", image=picture())
    with pytest.raises(
        TypeError, match=r"no argument 'padding'\. The arguments are text, images, knowledge, return_tensors\."
    ):
        processor(text="so", padding=True)


def test_unequal_numbers_are_refused_with_their_counts(processor: CLFAProcessor) -> None:
    with pytest.raises(ValueError, match=r"unequal numbers of inputs \(texts: 2, images: 1\); give one per sample"):
        processor(text=["so", "sunny"], images=picture())
    with pytest.raises(ValueError, match="texts: 2, images: 2, knowledge texts: 3"):
        processor(text=["so", "a"], images=[picture(), None], knowledge=["a", "b", "c"])
    with pytest.raises(ValueError, match="texts: 1, images: 0"):
        processor(text="so", images=[])


def test_columns_of_a_dataset_are_batches(processor: CLFAProcessor) -> None:
    table = Dataset.from_dict({"text": ["so", "sunny"]})
    assert same(processor(text=table["text"]), processor(text=["so", "sunny"]))


def test_every_form_of_a_picture_gives_the_same_pixels(processor: CLFAProcessor, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    picture().save(path)
    forms = [picture(), str(path), path, path.read_bytes(), {"bytes": path.read_bytes(), "path": None}]
    expected = processor(images=picture())["pixel_values"]
    assert all(torch.equal(processor(images=[form])["pixel_values"], expected) for form in forms)


def test_pictures_of_any_mode_become_rgb(processor: CLFAProcessor) -> None:
    pixels = processor(images=[picture().convert("L"), picture().convert("RGBA"), picture().convert("P")])
    assert pixels["pixel_values"].shape == (3, 3, 32, 32)


def test_pixels_are_normalised(processor: CLFAProcessor) -> None:
    white = processor(images=Image.new("RGB", (50, 20), "white"))["pixel_values"]
    torch.testing.assert_close(white, torch.ones(1, 3, 32, 32))


def test_a_picture_that_is_not_there_is_named(processor: CLFAProcessor, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.jpg: image file not found"):
        processor(images=[picture(), tmp_path / "nowhere.jpg"])


@pytest.mark.parametrize("modalities", ["both", "text", "image"])
def test_saving_and_loading(processor: CLFAProcessor, tmp_path: Path, modalities: str) -> None:
    saved = CLFAProcessor(
        processor.image_processor if modalities != "text" else None,
        processor.tokenizer if modalities != "image" else None,
        max_length=6,
        knowledge_max_length=4,
    )
    files = saved.save_pretrained(tmp_path)
    assert str(tmp_path / "processor_config.json") in files
    assert not list(tmp_path.glob("*.tmp"))
    loaded = CLFAProcessor.from_pretrained(tmp_path)
    assert (loaded.max_length, loaded.knowledge_max_length) == (6, 4)
    assert (loaded.tokenizer is None, loaded.image_processor is None) == (modalities == "image", modalities == "text")
    inputs = {"text": ["so sunny today what a day", "so"], "images": [picture(0), picture(1)], "knowledge": ["a", None]}
    assert same(loaded(**inputs), saved(**inputs))


def test_a_modality_without_its_processor_is_left_out(processor: CLFAProcessor) -> None:
    text_only = CLFAProcessor(None, processor.tokenizer)
    assert set(text_only(text=["so"], images=[picture()])) == {"input_ids", "attention_mask"}


def test_a_thing_of_another_kind_is_refused(processor: CLFAProcessor) -> None:
    with pytest.raises(TypeError):
        CLFAProcessor(processor.image_processor, "bert-base-uncased")


def test_auto_processor_finds_it_beside_the_model(processor: CLFAProcessor, tmp_path: Path) -> None:
    CLFAConfig(text_config=BertConfig().to_dict(), vision_config=ViTConfig().to_dict()).save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path)
    assert type(loaded) is CLFAProcessor
    assert loaded.max_length == 6
    assert same(loaded(text=["so sunny"], images=picture()), processor(text=["so sunny"], images=picture()))


def test_lengths_default_to_the_papers(tiny_bert_dir: Path) -> None:
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, None)
    assert (processor.max_length, processor.knowledge_max_length) == (77, 66)


def test_a_clip_directory_serves_both_modalities(tiny_clip_dir: Path) -> None:
    processor = CLFAProcessor.from_encoders(tiny_clip_dir, tiny_clip_dir)
    batch = processor(text=["so sunny", "so"], images=[picture(), picture(1)])
    assert batch["input_ids"][0, 0] == processor.tokenizer.bos_token_id
    assert batch["pixel_values"].shape == (2, 3, 32, 32)


def test_a_directory_without_a_processor(tiny_bert_dir: Path) -> None:
    with pytest.raises(ModelError, match=r"contains no CLFA processor: processor_config\.json is missing"):
        CLFAProcessor.from_pretrained(tiny_bert_dir)


def test_an_encoder_without_its_image_processor_or_tokenizer(tiny_bert_dir: Path, tiny_vit_dir: Path) -> None:
    with pytest.raises(ModelError, match="cannot load AutoImageProcessor"):
        CLFAProcessor.from_encoders(None, tiny_bert_dir)
    with pytest.raises(ModelError, match="cannot load AutoTokenizer"):
        CLFAProcessor.from_encoders(tiny_vit_dir, None)


def test_a_saved_processor_that_lost_a_part(processor: CLFAProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    for path in tmp_path.iterdir():
        if path.name.startswith("tokenizer"):
            path.unlink()
    with pytest.raises(ModelError, match="cannot load AutoTokenizer"):
        CLFAProcessor.from_pretrained(tmp_path)


@pytest.mark.parametrize("content", ["{", "[1]", '{"max_length": "many"}', "[" * 100_000], ids=range(4))
def test_damaged_settings(processor: CLFAProcessor, tmp_path: Path, content: str) -> None:
    processor.save_pretrained(tmp_path)
    (tmp_path / "processor_config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=r"processor_config\.json"):
        CLFAProcessor.from_pretrained(tmp_path)


def test_saving_over_the_files_of_another_model_keeps_them(processor: CLFAProcessor, tmp_path: Path) -> None:
    shutil.copytree(tmp_path, tmp_path / "x", dirs_exist_ok=True)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    processor.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8")) == {}


# Terms.


@pytest.fixture(scope="module")
def terms() -> Terms:
    return Terms.fit(["so sunny", "so sunny", "rain", "a rain"])


def test_terms_of_the_text(processor: CLFAProcessor, terms: Terms) -> None:
    plain = processor(text=["so rain", None, "so", ""], images=[picture()] * 4)
    processor.terms = terms
    batch = processor(text=["so rain", None, "so", ""], images=[picture()] * 4)
    assert set(batch) - set(plain) == {"term_ids", "term_weights"}
    assert same({name: batch[name] for name in plain}, plain)
    (ids, weights), _, (so, _), _ = terms(["so rain", None, "so", ""])
    assert batch["term_ids"].shape == batch["term_weights"].shape == (4, len(ids))
    assert batch["term_ids"][0].tolist() == ids.tolist()
    assert batch["term_weights"][0].tolist() == weights.tolist()
    assert batch["term_ids"][2].tolist() == [*so, *[0] * (len(ids) - len(so))]
    # A missing text, and an empty one.
    assert batch["term_weights"].bool().sum(dim=1).tolist() == [len(ids), 0, len(so), 0]
    assert set(processor(images=picture())) == {"pixel_values"}
    arrays = processor(text="so rain", return_tensors="np")
    assert (arrays["term_ids"].dtype, arrays["term_weights"].dtype) == (np.int64, np.float32)


def test_a_processor_of_images_reads_no_terms(processor: CLFAProcessor, terms: Terms) -> None:
    images = CLFAProcessor(processor.image_processor, terms=terms)
    assert set(images(text=["so"], images=[picture()])) == {"pixel_values"}


def test_terms_are_saved_with_the_processor(processor: CLFAProcessor, terms: Terms, tmp_path: Path) -> None:
    processor.terms = terms
    files = processor.save_pretrained(tmp_path)
    assert str(tmp_path / "terms.json") in files
    CLFAConfig(text_config=BertConfig().to_dict(), vision_config=ViTConfig().to_dict()).save_pretrained(tmp_path)
    for loaded in (CLFAProcessor.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)):
        assert loaded.terms == terms
        assert same(loaded(text=["so sunny", None]), processor(text=["so sunny", None]))
    # Another processor may take the place of this one.
    processor.terms = None
    processor.save_pretrained(tmp_path)
    assert "terms" not in json.loads((tmp_path / "processor_config.json").read_text(encoding="utf-8"))
    assert CLFAProcessor.from_pretrained(tmp_path).terms is None


def test_terms_of_another_processor_are_refused(processor: CLFAProcessor, terms: Terms, tmp_path: Path) -> None:
    processor.terms = terms
    processor.save_pretrained(tmp_path)
    Terms.fit(["so", "so"]).save(tmp_path / "terms.json")
    with pytest.raises(ModelError, match=r"terms\.json has not the terms that the model was trained with; copy it"):
        CLFAProcessor.from_pretrained(tmp_path)
    (tmp_path / "terms.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=r"terms\.json cannot be used"):
        CLFAProcessor.from_pretrained(tmp_path)
    (tmp_path / "terms.json").unlink()
    with pytest.raises(ModelError, match=r"has no terms\.json, whose terms the model reads; copy it from where"):
        CLFAProcessor.from_pretrained(tmp_path)


def test_a_processor_as_text(processor: CLFAProcessor, terms: Terms) -> None:
    known = CLFAProcessor(processor.image_processor, processor.tokenizer, knowledge=KnowledgeRecipe(), terms=terms)
    assert terms.fingerprint in repr(known)
    assert '"sources": [' in repr(known)
    assert known.to_dict()["max_length"] == 77
    assert "terms" not in processor.to_dict()


def test_what_is_no_text_is_refused_by_its_place(processor: CLFAProcessor) -> None:
    with pytest.raises(TypeError, match="text of sample 1 is of type int; give a text, or None"):
        processor(text=["a", 3])
    with pytest.raises(TypeError, match="knowledge of sample 0 is of type list"):
        processor(text=["a"], knowledge=[["b"]])
    with pytest.raises(ValueError, match="no samples: give at least one text or image"):
        processor(text=[])


def test_halves_of_surrogate_pairs_are_left_out(processor: CLFAProcessor) -> None:
    halved, plain = processor(text="sunny \ud83d day"), processor(text="sunny  day")
    assert halved["input_ids"].tolist() == plain["input_ids"].tolist()
    assert processor.token_ids(["sunny \ud83d day"]) == processor.token_ids(["sunny  day"])
    assert len(processor.pieces(["sunny \ud83d day"])) == 1


def test_a_damaged_tokenizer(processor: CLFAProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pre_tokenizer": {"type": "Other"}}))
    with pytest.raises(ModelError, match="cannot load AutoTokenizer"):
        CLFAProcessor.from_pretrained(tmp_path)
