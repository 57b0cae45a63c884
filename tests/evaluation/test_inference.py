from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from clfa.data.assemble import image_at, to_dataset
from clfa.errors import ModelError
from clfa.evaluation.inference import by_length, infer
from clfa.modeling import CLFAForClassification
from clfa.processing.dataset import EncodedDataset
from clfa.processing.processor import CLFAProcessor
from clfa.processing.terms import Terms
from posts import make_posts

SHAPE = {
    "hidden_size": 8,
    "projection_hidden_size": 8,
    "intermediate_size": 8,
    "num_attention_heads": 2,
    "num_fusion_layers": 1,
}


def split_of(folder: Path, count: int) -> Dataset:
    rows: list[Any] = [
        {"id": p["id"], "text": p["text"], "image": image_at(str(folder / p["image"])), "knowledge": None, "label": 0}
        for p in make_posts(folder, count)
    ]
    return to_dataset(rows, ["a", "b", "c"])


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_every_sample_once_in_order_and_without_dropout(
    tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path: Path, batch_size: int
) -> None:
    torch.manual_seed(0)
    model = CLFAForClassification.from_encoders(tiny_bert_dir, tiny_vit_dir, ["a", "b", "c"], guide_dim=5, **SHAPE)
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir)
    split = split_of(tmp_path, 6)
    batches = []
    model.register_forward_hook(
        lambda module, args, kwargs, output: batches.append(len(output.logits)), with_kwargs=True
    )
    inference = infer(model.train(), EncodedDataset(split, processor), batch_size=batch_size)
    assert batches == ([6] if batch_size == 64 else [1] * 6 if batch_size == 1 else [4, 2])
    assert inference.logits.shape == (6, 3)
    assert inference.text_embeds is not None
    assert inference.image_embeds is not None
    assert inference.text_embeds.shape == inference.image_embeds.shape == (6, 5)
    assert inference.pooled.shape == (6, 8)
    for position, row in enumerate(split):
        with torch.no_grad():
            output = model(**processor(text=row["text"], images=row["image"]))
        np.testing.assert_allclose(inference.logits[position], output.logits[0], atol=1e-5)
        np.testing.assert_allclose(inference.image_embeds[position], output.image_embeds[0], atol=1e-5)
        np.testing.assert_allclose(inference.pooled[position], output.pooler_output[0], atol=1e-5)


def test_one_modality_and_no_sample(tiny_bert_dir: Path, tmp_path: Path) -> None:
    model = CLFAForClassification.from_encoders(tiny_bert_dir, None, ["a", "b", "c"], **SHAPE)
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, None)
    split = split_of(tmp_path, 2)
    inference = infer(model, EncodedDataset(split, processor))
    assert inference.image_embeds is None
    assert inference.text_embeds is not None
    empty = infer(model, EncodedDataset(split.select([]), processor))
    assert (empty.logits.shape, empty.pooled.shape, empty.text_embeds) == ((0, 3), (0, 8), None)


def test_terms_are_withheld_with_the_text(tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path: Path) -> None:
    model = CLFAForClassification.from_encoders(
        tiny_bert_dir, tiny_vit_dir, ["a", "b", "c"], allow_missing_modalities=True, **SHAPE
    )
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir)
    split = split_of(tmp_path, 3)
    processor.terms = Terms.fit(split["text"][:] * 2)
    given: set[str] = set()
    model.register_forward_pre_hook(lambda module, args, kwargs: given.update(kwargs), with_kwargs=True)
    infer(model, EncodedDataset(split, processor), without="text")
    assert given == {"pixel_values"}


def test_by_length() -> None:
    class Lengths(list[int]):
        def lengths(self) -> list[int]:
            return list(self)

    # Equal ones stay in their order.
    assert by_length(Lengths([5, 2, 9, 2])) == [1, 3, 0, 2]
    assert by_length(range(3)) == [0, 1, 2]


def test_outputs_that_are_not_finite_are_an_error_with_the_samples(
    tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path: Path
) -> None:
    model = CLFAForClassification.from_encoders(tiny_bert_dir, tiny_vit_dir, ["a", "b", "c"], **SHAPE)
    dataset = EncodedDataset(split_of(tmp_path, 6), CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir))
    forward = model.forward

    def broken(**inputs: Any) -> Any:
        output = forward(**inputs)
        output.logits[1] = float("nan")
        return output

    model.forward = broken
    with pytest.raises(ModelError, match=r"outputs for 2 samples are not finite numbers, 'p\d', 'p\d' first"):
        infer(model, dataset, batch_size=3)
