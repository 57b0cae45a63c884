from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from torch.utils.data import DataLoader

from clfa.data import read_corpus
from clfa.data.images import image_key
from clfa.data.schema import schema_features
from clfa.errors import ImageError
from clfa.processing import dataset
from clfa.processing.collator import CLFACollator
from clfa.processing.dataset import EncodedDataset
from clfa.processing.processor import CLFAProcessor
from clfa.processing.terms import Terms
from clfa.store import FeatureStore, text_key
from clfa.targets.default_label import default_label

TEXTS = ["so sunny today", "so", "what a lovely rainy day"]


def png(color: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20), color).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def processor(tiny_bert_dir: Path, tiny_vit_dir: Path) -> CLFAProcessor:
    return CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir)


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("pictures") / "green.png"
    path.write_bytes(png("green"))
    return Dataset.from_list(
        [
            {"id": str(i), "text": text, "image": image, "knowledge": knowledge, "targets": label}
            for i, (text, image, knowledge, label) in enumerate(
                zip(
                    TEXTS,
                    [
                        {"bytes": png("red"), "path": None},
                        {"bytes": None, "path": str(path)},
                        {"bytes": None, "path": str(path.with_name("missing.png"))},
                    ],
                    ["a cat", None, ""],
                    [[1], [0], None],
                    strict=True,
                )
            )
        ],
        features=schema_features([default_label(["no", "yes"])]),
    )


def test_ids_pixels_and_labels(split: Dataset, processor: CLFAProcessor) -> None:
    dataset = EncodedDataset(split, processor)
    assert len(dataset) == 3
    sample = dataset[0]
    assert set(sample) == {"input_ids", "pixel_values", "labels", "sample_index"}
    assert sample["input_ids"] == processor.token_ids(TEXTS[:1])[0]
    assert sample["labels"] == 1
    expected = processor(images=[{"bytes": png("red"), "path": None}])["pixel_values"][0]
    assert torch.equal(sample["pixel_values"], expected)
    assert dataset[1]["labels"] == 0


def test_pictures_are_read_when_asked_for_and_named_when_missing(split: Dataset, processor: CLFAProcessor) -> None:
    dataset = EncodedDataset(split, processor)
    with pytest.raises(ImageError, match=r"missing\.png: image file not found"):
        dataset[2]


def test_an_unlabelled_sample_has_a_missing_label(split: Dataset, processor: CLFAProcessor) -> None:
    assert np.isnan(EncodedDataset(split, CLFAProcessor(None, processor.tokenizer))[2]["labels"]).all()


@pytest.mark.parametrize("modality", ["text", "image"])
def test_one_modality(split: Dataset, processor: CLFAProcessor, modality: str) -> None:
    part = (None, processor.tokenizer) if modality == "text" else (processor.image_processor, None)
    dataset = EncodedDataset(split, CLFAProcessor(*part), use_knowledge=True)
    names = {"input_ids", "knowledge_input_ids"} if modality == "text" else {"pixel_values"}
    assert set(dataset[0]) == names | {"labels", "sample_index"}
    assert dataset.lengths() == ([len(ids) for ids in processor.token_ids(TEXTS)] if modality == "text" else None)


def test_knowledge_is_empty_where_a_sample_has_none(split: Dataset, processor: CLFAProcessor) -> None:
    dataset = EncodedDataset(split, CLFAProcessor(None, processor.tokenizer), use_knowledge=True)
    assert dataset[0]["knowledge_input_ids"] == processor.token_ids(["a cat"])[0]
    assert dataset[1]["knowledge_input_ids"] == []
    assert dataset[2]["knowledge_input_ids"] == []
    assert "knowledge_input_ids" not in EncodedDataset(split, CLFAProcessor(None, processor.tokenizer))[0]


def test_knowledge_is_cut_at_its_own_length(split: Dataset, processor: CLFAProcessor) -> None:
    short = CLFAProcessor(None, processor.tokenizer, knowledge_max_length=3)
    assert len(EncodedDataset(split, short, use_knowledge=True)[0]["knowledge_input_ids"]) == 3


def stores(split: Dataset, directory: Path) -> dict[str, Any]:
    text_keys = [text_key(text) for text in TEXTS]
    image_keys = [image_key(split[i]["image"]) for i in range(2)]
    texts, images = FeatureStore(directory / "t", 4), FeatureStore(directory / "i", 5)
    texts.add((key, np.full((n + 1, 4), n)) for n, key in enumerate(text_keys))
    images.add((key, np.full((7, 5), n)) for n, key in enumerate(image_keys))
    return {
        "text_features": texts,
        "image_features": images,
        "text_keys": text_keys,
        "image_keys": [*image_keys, image_keys[0]],
    }


def test_features_stand_in_for_ids_and_pixels(split: Dataset, processor: CLFAProcessor, tmp_path: Path) -> None:
    dataset = EncodedDataset(split, processor, **stores(split, tmp_path))
    sample = dataset[1]
    assert set(sample) == {"text_features", "image_features", "labels", "sample_index"}
    np.testing.assert_array_equal(sample["text_features"], np.ones((2, 4)))
    np.testing.assert_array_equal(sample["image_features"], np.ones((7, 5)))
    assert dataset.lengths() == [1, 2, 3]
    # The picture itself is not opened any more.
    assert "image_features" in dataset[2]


def test_guides_go_with_their_sample(split: Dataset, processor: CLFAProcessor) -> None:
    embeds = np.arange(6.0).reshape(3, 2), -np.arange(6.0).reshape(3, 2)
    sample = EncodedDataset(split, CLFAProcessor(None, processor.tokenizer), guide_embeds=embeds)[1]
    assert sample["guide_text_embeds"].tolist() == [2, 3]
    assert sample["guide_image_embeds"].tolist() == [-2, -3]
    assert sample["guide_index"] == 1


def test_samples_have_numbers_of_their_contents(split: Dataset, processor: CLFAProcessor) -> None:
    rows = [split[0], split[1] | {"text": split[0]["text"]}, split[2] | {"image": split[0]["image"], "text": None}]
    twice = Dataset.from_list(rows, features=split.features)
    part = np.array([True, False, True])
    dataset = EncodedDataset(twice, processor, student_rows=part)
    assert [dataset[row]["contents"].tolist() for row in range(3)] == [[0, 0], [0, 1], [-1, 0]]
    batch = CLFACollator(processor.tokenizer.pad_token_id)([dataset[0], dataset[1], dataset[2]])
    assert batch["contents"].tolist() == [[0, 0], [0, 1], [-1, 0]]
    assert batch["contents"].dtype == torch.int64
    assert batch["student_rows"].tolist() == part.tolist()
    assert batch["student_rows"].dtype == torch.bool
    # Given keys are used instead.
    keys = {"text_keys": [b"a", b"b", b"a"], "image_keys": [b"", b"c", b"c"]}
    assert EncodedDataset(twice, processor, student_rows=part, **keys).contents.tolist() == [[0, -1], [1, 0], [0, 0]]
    assert not {"contents", "student_rows"} & set(EncodedDataset(twice, processor)[0])


def test_samples_make_a_batch(split: Dataset, processor: CLFAProcessor, tmp_path: Path) -> None:
    guides = np.ones((3, 2), np.float32), np.ones((3, 2), np.float32)
    plain = EncodedDataset(split, processor, guide_embeds=guides, use_knowledge=True)
    batch = CLFACollator(processor.tokenizer.pad_token_id)([plain[0], plain[1]])
    assert {name: tuple(tensor.shape) for name, tensor in batch.items()} == {
        "input_ids": (2, 5),
        "attention_mask": (2, 5),
        "pixel_values": (2, 3, 32, 32),
        "knowledge_input_ids": (2, 4),
        "knowledge_attention_mask": (2, 4),
        "guide_text_embeds": (2, 2),
        "guide_image_embeds": (2, 2),
        "guide_index": (2,),
        "labels": (2, 1),
    }
    cached = EncodedDataset(split, processor, **stores(split, tmp_path))
    batch = CLFACollator()([cached[0], cached[1]])
    assert batch["text_features"].shape == (2, 2, 4)
    assert batch["attention_mask"].tolist() == [[1, 0], [1, 1]]


def test_targets_are_a_vector(processor: CLFAProcessor) -> None:
    table = Dataset.from_dict({"text": ["a", "b"], "mood": ["x", None], "value": [0.5, 2]})
    targets = {"mood": {"label_names": ["w", "x"]}, "value": {"problem_type": "regression"}}
    data = read_corpus("table", table, targets=targets, as_split="train").splits["train"]
    dataset = EncodedDataset(data, CLFAProcessor(None, processor.tokenizer))
    assert len(dataset) == 2
    batch = CLFACollator()([dataset[0], dataset[1]])
    np.testing.assert_array_equal(batch["labels"].numpy(), np.array([[1, 0.5], [np.nan, 2]], np.float32))


def test_an_empty_split(split: Dataset, processor: CLFAProcessor) -> None:
    dataset = EncodedDataset(split.select([]), processor, use_knowledge=True)
    assert len(dataset) == 0
    assert dataset.lengths() == []


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_batch_is_its_samples_in_order(split: Dataset, processor: CLFAProcessor, threads: int) -> None:
    data = EncodedDataset(split, processor)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        order = [1, 0, 0, 1, 1, 0, 1]
        found = data.__getitems__(order)
        with pytest.raises(ImageError, match=r"missing\.png"):
            data.__getitems__([0, 2, 1])
    finally:
        torch.set_num_threads(before)
    for sample, index in zip(found, order, strict=True):
        expected = data[index]
        assert sample.keys() == expected.keys()
        assert sample["input_ids"] == expected["input_ids"]
        assert torch.equal(torch.as_tensor(sample["pixel_values"]), torch.as_tensor(expected["pixel_values"]))


@pytest.mark.parametrize("in_worker", [False, True])
def test_loader_workers_start_no_threads(
    split: Dataset, processor: CLFAProcessor, in_worker: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools: list[int] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, threads: int) -> None:
            pools.append(threads)
            super().__init__(threads)

    monkeypatch.setattr(dataset, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    data = EncodedDataset(split.select([0, 1]), processor)
    if in_worker:
        monkeypatch.setattr(torch.utils.data, "get_worker_info", lambda: object())
        assert len(data.__getitems__([0, 1])) == 2
    else:
        (batch,) = DataLoader(data, batch_size=2, collate_fn=CLFACollator())
        assert len(batch["pixel_values"]) == 2
    assert pools == ([] if in_worker else [2])


def test_terms_of_the_texts(split: Dataset, processor: CLFAProcessor, tmp_path: Path) -> None:
    terms = Terms.fit(["so sunny", "so lovely", "a day"])
    knowing = CLFAProcessor(None, processor.tokenizer, terms=terms)
    texts = [TEXTS[0], None, ""]
    lacking = split.remove_columns("text").add_column("text", texts, feature=split.features["text"])
    store = FeatureStore(tmp_path / "features", 4, "float32")
    keys = [text_key("a")] * 3
    store.add([(keys[0], np.ones((2, 4), np.float32))])
    plain = EncodedDataset(lacking, knowing)
    cached = EncodedDataset(lacking, knowing, text_features=store, text_keys=keys)
    for samples, tokens in ((plain, "input_ids"), (cached, "text_features")):
        assert set(samples[0]) == {tokens, "terms", "labels", "sample_index"}
        batch = next(iter(DataLoader(samples, batch_size=3, collate_fn=CLFACollator())))
        expected = knowing(text=texts)
        for name in ("term_ids", "term_weights"):
            assert torch.equal(batch[name], expected[name])
    assert "terms" not in EncodedDataset(split, CLFAProcessor(processor.image_processor, terms=terms))[0]
