from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.architectures import recipe_of, vocabulary
from benchmarks.lengths import draw, histogram, text_of
from benchmarks.material import write_posts
from transformers import BertTokenizerFast

from clfa.data.images import load_image
from clfa.recipe import load_recipe


def test_lengths_are_those_of_the_data_set() -> None:
    counts = histogram("mmsd")
    drawn = draw("mmsd", 4000, longest=10_000)
    assert set(drawn) <= set(counts)
    mean = sum(length * count for length, count in counts.items()) / sum(counts.values())
    assert sum(drawn) / len(drawn) == pytest.approx(mean, rel=0.05)
    # 19,816 + 2,410 + 2,409 samples after the usual filter.
    assert sum(counts.values()) == 24_635


def test_long_texts_are_cut() -> None:
    assert max(draw("mmsd", 4000, longest=20)) == 20


def test_a_text_has_as_many_tokens_as_asked_for() -> None:
    tokenizer = BertTokenizerFast(vocab=vocabulary(2000))
    for length in (3, 4, 77):
        assert len(tokenizer(text_of(length, 5))["input_ids"]) == length


def test_posts_are_dealt_to_splits_in_order(tmp_path: Path) -> None:
    table = write_posts(tmp_path, [3, 4, 5, 6], (2, 1, 1), side=48, distinct=3)
    rows = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    assert [row["split"] for row in rows] == ["train", "train", "validation", "test"]
    assert [len(row["text"].split()) for row in rows] == [1, 2, 3, 4]
    assert load_image(tmp_path / rows[1]["image"]).size == (64, 48)
    same = [(tmp_path / rows[number]["image"]).read_bytes() for number in (0, 3)]
    assert same[0] == same[1]


def test_lengths_and_counts_must_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 lengths for 3 posts"):
        write_posts(tmp_path, [3], (1, 1, 1))


@pytest.mark.parametrize("architecture", ["paper", "small", "offline"])
def test_recipes_are_valid(architecture: str, tmp_path: Path) -> None:
    name, overrides = recipe_of(architecture, tmp_path, tmp_path / "posts.jsonl")
    recipe = load_recipe(name, overrides)
    assert recipe.data.reader == "table"
    assert recipe.model.hidden_size == {"paper": 512, "small": 128, "offline": 128}[architecture]
