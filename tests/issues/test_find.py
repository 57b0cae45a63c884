from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from clfa.cli.data import app
from clfa.data import read_corpus
from clfa.data.schema import Corpus
from clfa.errors import DataError, RecipeError
from clfa.issues import find_issues
from clfa.issues.page import render_page
from clfa.issues.posts import labelled_posts
from clfa.issues.records import issue_records, write_records
from clfa.issues.word_features import word_features
from clfa.recipe import load_recipe

WRONG = (10, 33, 56)


def test_wrong_labels_come_first(make_posts: Callable[..., Corpus]) -> None:
    found = find_issues(make_posts(wrong=WRONG))
    ids = found.posts.column("id")
    assert {ids[position] for position in found.labels.ranking[:3]} == {f"p{n}" for n in WRONG}
    assert {ids[position] for position in np.flatnonzero(found.labels.wrong)} == {f"p{n}" for n in WRONG}
    assert (found.inputs, found.folds, found.groups, found.agreement) == ("words", 5, [], None)
    records = list(issue_records(found))
    assert [record["rank"] for record in records] == list(range(1, 81))
    first = records[0]
    assert first["id"] in {f"p{n}" for n in WRONG}
    assert first["probably_wrong"]
    assert first["suggested"] == {"sun": "rain", "rain": "sun"}[first["label"]]
    assert first["same_text"] is None
    assert "agreement" not in first


def test_copies_with_the_same_wrong_label_do_not_confirm_each_other() -> None:
    texts = [f"{'cold wet' if n % 2 else 'warm dry'} {n}{chr(97 + n % 26) * 5}" for n in range(40)]
    copy = "cold wet words that are nowhere else at all"
    data = pd.DataFrame(
        {"text": [*texts, copy, copy + "!"], "label": [*(["sun", "rain"] * 20), "sun", "sun"], "split": "train"}
    )
    found = find_issues(read_corpus("table", data))
    ids = found.posts.column("id")
    assert {ids[position] for position in found.labels.ranking[:2]} == {"41", "42"}
    assert found.labels.confidence[found.labels.ranking[:2]].max() < 0.5
    assert {record["id"]: record["same_text"] for record in issue_records(found)}["42"] == 1


def test_ignored_parts_of_texts_tell_nothing() -> None:
    rows = [(f"#{'ab'[n % 2]}tag {'wet' if n % 4 < 2 else 'dry'} {n}x", "ab"[n % 2]) for n in range(40)]
    corpus = read_corpus("table", pd.DataFrame(rows, columns=["text", "label"]).assign(split="train"))
    assert find_issues(corpus).labels.confidence.min() > 0.5
    assert abs(find_issues(corpus, ignore=r"#\w+").labels.confidence.mean() - 0.5) < 0.1
    with pytest.raises(RecipeError, match=r"ignore='\(' is not a regular expression: .*; write special characters"):
        find_issues(corpus, ignore="(")


def test_knowledge_words_are_features_of_their_own() -> None:
    alone = word_features(["a cat", "a cat"])
    both = word_features(["a cat", "a cat"], ["cat", None])
    assert both.shape == alone.shape
    assert word_features(["a cat", "a cat"], ["tree", "tree"]).shape[1] == alone.shape[1] + 1
    with pytest.raises(DataError, match="no two texts have a word or part of a word in common"):
        word_features(["abc", "xyz"])


def test_recipe_with_pictures_and_guide(
    make_posts: Callable[..., Corpus], tiny_bert_dir: Path, tiny_vit_dir: Path
) -> None:
    encoders = [f"model.text_encoder={tiny_bert_dir}", f"model.vision_encoder={tiny_vit_dir}"]
    settings = "{dim: 4, text_components: 8, image_components: 8, epochs: 2}"
    recipe = load_recipe("offline", [*encoders, f"guide={{name: fitted, {settings[1:-1]}}}"])
    corpus = make_posts(wrong=WRONG, pictures=True)
    found = find_issues(corpus, recipe=recipe)
    assert found.inputs == "words, text features, image features"
    assert found.agreement is not None
    assert found.agreement.shape == (80,)
    assert np.isfinite(found.agreement).all()
    assert np.abs(found.agreement).max() <= 1 + 1e-5
    lowest = min(issue_records(found), key=lambda record: record["agreement"])
    page = render_page(found, "issues.jsonl", shown=5)
    assert "Picture and text that may not belong together" in page
    assert f"agreement: {lowest['agreement']:.2f}" in page
    assert page.count("data:image/jpeg;base64,") == 10
    text_only = find_issues(corpus, recipe=recipe, images=False)
    assert text_only.inputs == "words, text features"
    assert text_only.agreement is None


def test_a_guide_for_too_few_pairs(make_posts: Callable[..., Corpus], tiny_bert_dir: Path, tiny_vit_dir: Path) -> None:
    encoders = [f"model.text_encoder={tiny_bert_dir}", f"model.vision_encoder={tiny_vit_dir}"]
    recipe = load_recipe("offline", [*encoders, "guide.name=fitted"])
    with pytest.raises(DataError, match="10 pairs of text and image are too few to fit a guide on; it needs 16"):
        find_issues(make_posts(20, pictures=True), recipe=recipe, folds=2)


def test_a_recipe_without_a_usable_encoder(make_posts: Callable[..., Corpus]) -> None:
    recipe = load_recipe("offline", ["model.text_encoder=null", "guide.name=none"])
    with pytest.raises(RecipeError, match="no text encoder, and the data has no images for its vision encoder"):
        find_issues(make_posts(), recipe=recipe)


def test_targets(tmp_path: Path) -> None:
    data = pd.DataFrame({"text": ["a", "b"], "mood": ["x", "y"], "strength": [1.0, 2.0], "split": "train"})
    targets = {"strength": {"problem_type": "regression"}, "mood": {}}
    corpus = read_corpus("table", data, targets=targets)
    assert labelled_posts(corpus, "mood").labels.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"target 'strength' cannot be ranked: .* \(regression\)"):
        labelled_posts(corpus)
    with pytest.raises(DataError, match="there is no target 'gone'; targets: strength, mood"):
        labelled_posts(corpus, "gone")
    one = read_corpus("table", data.assign(label="x", mood=None)[["text", "label", "split"]], label_names=["x", "y"])
    with pytest.raises(DataError, match="where at least two classes occur"):
        labelled_posts(one)


def test_the_page_escapes_texts_and_shows_groups(make_posts: Callable[..., Corpus]) -> None:
    nasty = "<script>alert(1)</script> & more of it"
    data = pd.DataFrame(
        {
            "text": [f"{'cold' if n % 2 else 'warm'} {n}{chr(97 + n) * 4}" for n in range(20)] + [nasty] * 8,
            "label": ["sun", "rain"] * 14,
            "split": ["train", "test"] * 14,
        }
    )
    page = render_page(find_issues(read_corpus("table", data)), "all.csv", shown=5)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more of it" in page
    assert "Same text: 8 posts" in page
    assert "different labels" in page
    assert "The first 1 of 1 groups, at most 6 posts of each; all are in all.csv." in page
    assert "no image" not in page


def test_command(make_posts: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = make_posts(wrong=WRONG)
    frame = pd.concat([data.to_pandas().assign(label=corpus.labels(s), split=s) for s, data in corpus.splits.items()])
    frame["id"] = "=" + frame["id"]
    frame[["id", "text", "label", "split"]].to_csv(tmp_path / "posts.csv", index=False)
    page = tmp_path / "out" / "page.html"
    runner = CliRunner()
    result = runner.invoke(app, ["issues", "table", str(tmp_path / "posts.csv"), "--output", str(page)])
    assert result.exit_code == 0, result.output
    assert "80 labelled posts, 3 probably wrong labels" in result.output
    assert "0 groups of near-duplicates: 0 with different labels, 0 across splits" in result.output
    lines = [json.loads(line) for line in page.with_suffix(".jsonl").read_text().splitlines()]
    assert {line["id"] for line in lines[:3]} == {f"=p{n}" for n in WRONG}
    assert "None found." in page.read_text()
    table = tmp_path / "all.csv"
    for options, guard in (([], "'"), (["--raw"], "")):
        command = ["issues", "table", str(tmp_path / "posts.csv"), "--output", str(page), "--table", str(table)]
        assert runner.invoke(app, [*command, *options]).exit_code == 0
        with table.open(newline="") as file:
            assert [row["id"] for row in csv.DictReader(file)] == [f"{guard}{line['id']}" for line in lines]
    with pytest.raises(DataError, match=r"all\.txt: records are written to a file that ends in \.jsonl or \.csv"):
        write_records(find_issues(corpus), tmp_path / "all.txt")
