"""What is put in place around the authors' script; none of it needs their code."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.architectures import vocabulary
from benchmarks.material import write_posts
from benchmarks.probe import Channel
from benchmarks.reference.script import check_folder, gated_loader, write_examples
from torch.utils.data import TensorDataset
from transformers import BertTokenizerFast

from clfa.errors import DataError


def test_a_folder_without_their_code_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"run_classifier\.py is missing; --reference takes a checkout"):
        check_folder(tmp_path)


def test_examples_carry_the_posts_tokens_and_no_knowledge(tmp_path: Path) -> None:
    tokenizer = BertTokenizerFast(vocab=vocabulary(2000))
    tokenizer.save_pretrained(tmp_path / "bert")
    write_posts(tmp_path / "posts", [5, 4, 3], (1, 1, 1), side=48)
    write_examples(tmp_path / "posts", tmp_path / "bert", tmp_path)
    row = json.loads((tmp_path / "posts" / "posts.jsonl").read_text(encoding="utf-8").splitlines()[1])
    # Pickles of this test's own making.
    (example,) = pickle.loads((tmp_path / "valid.with_graph.pkl").read_bytes()).values()  # noqa: S301
    assert example["tokens"] == tokenizer(row["text"], add_special_tokens=False)["input_ids"]
    assert len(example["tokens"]) == 2
    assert example["knowledge_tokens"] == []
    assert example["text_graph"].shape == (2, 2)
    assert len(example["image_embed"]) == 512
    assert example["label"] == 1


def test_loops_over_the_first_two_loaders_are_timed() -> None:
    out = io.StringIO()
    loader: Any = gated_loader(Channel(io.StringIO("go\ngo\n"), out), ["wordninja"])
    data = TensorDataset(torch.arange(5))
    train, validation, test = (loader(data, batch_size=2) for _ in range(3))
    assert [len(batch[0]) for batch in train] == [2, 2, 1]
    assert [len(batch[0]) for batch in validation] == [2, 2, 1]
    assert len(list(test)) == 3
    with pytest.raises(SystemExit):
        next(iter(train))
    reports = [json.loads(line.split("\t")[1]) for line in out.getvalue().splitlines()]
    assert [(r["phase"], r["samples"], r["steps"], r["replaced"]) for r in reports] == [
        ("train", 5, 3, ["wordninja"]),
        ("evaluate", 5, 3, ["wordninja"]),
    ]
