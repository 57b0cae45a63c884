"""What a model is asked for an explanation: nothing twice, and with the answers of whole posts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clfa.explaining.explain import explain_post
from clfa.explaining.probe import GRID, Probe, distinct
from clfa.modeling import CLFAForClassification
from clfa.prediction.engines.torch_engine import TorchRuntime
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.processing.processor import CLFAProcessor
from clfa.processing.terms import Terms
from posts import make_posts


class Counting(TorchRuntime):
    """Counts the texts and pictures that encoders read, and the questions that are answered."""

    def __init__(self, model: CLFAForClassification) -> None:
        super().__init__(model)
        self.read = {"input_ids": 0, "pixel_values": 0}
        self.answered = 0

    def encode(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        for name in self.read:
            self.read[name] += len(inputs.get(name, ()))
        return super().encode(inputs)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Any:
        for name in self.read:
            self.read[name] += len(inputs.get(name, ()))
        self.answered += len(inputs["attention_mask"])
        return super().__call__(inputs)


@pytest.fixture
def post(tmp_path: Path) -> Post:
    """A post with two words that are the same, side by side, and words behind what the model reads."""
    row = make_posts(tmp_path, 1)[0]
    return Post("sunny so so great day rain storm happy wet cold", str(tmp_path / row["image"]))


def counted(model: CLFAForClassification, processor: CLFAProcessor) -> tuple[PostClassifier, Counting]:
    runtime = Counting(model)
    return PostClassifier(runtime, processor, batch_size=3), runtime


def test_equal_questions_are_asked_once(tiny_bert_dir: Path, tiny_vit_dir: Path, post: Post) -> None:
    model = CLFAForClassification.from_encoders(
        tiny_bert_dir, tiny_vit_dir, label_names=("a", "b"), hidden_size=8, num_attention_heads=2
    )
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir)
    classifier, runtime = counted(model, processor)
    lengths = [len(processor.token_ids([word])[0]) - 2 for word in str(post.text).split()]
    # The first four words, and the special tokens, fill what is read.
    processor.max_length = sum(lengths[:4]) + 2
    found = explain_post(classifier, post)
    assert len(found.words) == 10
    assert found.words[1].score == found.words[2].score
    assert [word.score for word in found.words[4:]] == [0] * 6
    # The whole; without each of the words that are read, of which two are the same, and of the rest; without the text.
    different = {tuple(row) for row in processor.token_ids(shorter(post))}
    assert len(different) == 4
    assert runtime.read == {"input_ids": 1 + 4 + 1, "pixel_values": 1 + GRID * GRID + 1}
    assert runtime.answered == 1 + 4 + GRID * GRID + 2


def shorter(post: Post) -> list[str]:
    words = str(post.text).split()
    return [" ".join(words[:place] + words[place + 1 :]) for place in range(len(words))]


@pytest.mark.parametrize("pictures", [1, 2])
def test_texts_that_differ_in_terms_alone(pictures: int, tiny_bert_dir: Path, tiny_vit_dir: Path, post: Post) -> None:
    post = replace(post, image=[post.image] * pictures)
    terms = Terms.fit([str(post.text), *shorter(post)])
    wide: dict[str, Any] = {"blended": True, "wide": True, "num_terms": len(terms), "num_members": 2}
    model = CLFAForClassification.from_encoders(
        tiny_bert_dir, tiny_vit_dir, label_names=("a", "b"), hidden_size=8, num_attention_heads=2, **wide
    )
    assert model.blend is not None
    assert model.blend.wide is not None
    for values in model.blend.wide.buffers():
        values.copy_(torch.randn(values.shape))
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, tiny_vit_dir)
    processor.terms, processor.max_length = terms, 6
    classifier, runtime = counted(model, processor)
    found = explain_post(classifier, post)
    assert runtime.read["input_ids"] == 2 + len({tuple(row) for row in processor.token_ids(shorter(post))})
    assert runtime.read["pixel_values"] == (1 + GRID * GRID + 1 if pictures == 1 else 2)
    assert len({word.score for word in found.words}) > 7
    plain = PostClassifier(TorchRuntime(model), processor)
    assert found.label is not None
    for word, text in zip(found.words, shorter(post), strict=True):
        (without,) = plain([replace(post, text=text)])
        assert without.probabilities is not None
        assert word.score == pytest.approx(found.score - without.probabilities[found.label], abs=1e-6)


def test_no_questions(tiny_run: Path, tmp_path: Path) -> None:
    row = make_posts(tmp_path, 1)[0]
    probe = Probe(PostClassifier.load(tiny_run), Post(row["text"], str(tmp_path / row["image"])))
    assert probe.without_words([]).shape == (0,)


def test_rows_that_differ_in_one_of_the_arrays() -> None:
    first, which = distinct([np.array([[1], [1], [1], [2]]), np.array([[0.5], [0.0], [0.5], [0.5]])])
    assert first.tolist() == [0, 1, 3]
    assert which.tolist() == [0, 1, 0, 2]
