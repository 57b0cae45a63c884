"""Explanations of a tiny trained model, on every path: methods, tables, page, picture, neighbours, command line."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from clfa import CLFAPredictor
from clfa.cli.main import app
from clfa.errors import CLFAError, DataError, ModelError, RecipeError
from clfa.explaining import METHODS
from clfa.explaining.explain import explain_post
from clfa.explaining.explanation import Explanation, Neighbour, Without, WordScore
from clfa.explaining.gradients import log_likelihood, square
from clfa.explaining.neighbours import NeighbourIndex, aligned_vector
from clfa.explaining.page import MAX_TEXT, ExplainedPost, render_page
from clfa.explaining.picture import data_url, headline, seen_picture, with_regions, without_lines, write_png
from clfa.explaining.probe import GRID, MAX_WORDS, Probe
from clfa.explaining.words import without_spans, word_spans
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.targets.target import Target


@pytest.fixture(scope="module")
def classifier(tiny_run: Path) -> PostClassifier:
    return PostClassifier.load(tiny_run, batch_size=5)


@pytest.fixture(scope="module")
def posts(posts_csv: Path) -> pd.DataFrame:
    table = pd.read_csv(posts_csv).head(6)
    table["image"] = [str(posts_csv.parent / image) for image in table["image"]]
    return table


@pytest.fixture(scope="module")
def post(posts: pd.DataFrame) -> Post:
    return Post(f"{posts['text'][0]} so great a day", posts["image"][0])


def test_occlusion_is_the_difference_of_two_predictions(classifier: PostClassifier, post: Post) -> None:
    found = explain_post(classifier, post)
    whole = classifier([post])[0]
    assert found.label == whole.label
    assert found.score == pytest.approx(whole.probabilities[whole.label], abs=1e-6)
    words = str(post.text).split()
    assert [word.text for word in found.words] == words
    assert [str(post.text)[word.start :].split()[0] for word in found.words] == words
    for place, word in enumerate(found.words):
        shorter = classifier([replace(post, text=" ".join(words[:place] + words[place + 1 :]))])[0]
        assert word.score == pytest.approx(found.score - shorter.probabilities[whole.label], abs=1e-5)
    assert np.shape(found.regions) == (GRID, GRID)
    empty = found.without["text"]
    assert empty.how == "an empty text"
    assert 0 <= empty.score <= 1
    assert set(found.without) == {"text", "image"}


def test_hidden_cells_have_the_mean_colour(classifier: PostClassifier, post: Post) -> None:
    probe = Probe(classifier, post)
    everything = np.ones((GRID, GRID), dtype=bool)
    assert probe.without_cells([~everything])[0] == pytest.approx(probe.score, abs=1e-5)
    assert probe.without_cells([everything])[0] == pytest.approx(probe.ablations()["image"].score, abs=1e-5)
    assert probe.without_words([[]])[0] == pytest.approx(probe.score, abs=1e-5)
    every = list(range(len(probe.spans)))
    assert probe.without_words([every])[0] == pytest.approx(probe.ablations()["text"].score, abs=1e-5)


def test_integrated_gradients_add_up_to_the_change_from_the_baseline(
    classifier: PostClassifier, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("captum")
    probe = Probe(classifier, post)
    found = METHODS.get("gradients")(probe, steps=200)
    tokens: list[float] = []
    monkeypatch.setattr("clfa.explaining.gradients._of_words", lambda probe, scores: tokens.extend(scores))
    monkeypatch.setattr("clfa.explaining.gradients.square", tokens.extend)
    METHODS.get("gradients")(probe, steps=200)
    inputs = {name: torch.from_numpy(array) for name, array in probe.inputs().items()}
    with torch.inference_mode():
        full = log_likelihood(probe, classifier.model(**inputs).logits)
        for name in ("text_features", "image_features"):
            inputs[name] = torch.zeros_like(inputs[name])
        base = log_likelihood(probe, classifier.model(**inputs).logits)
    assert sum(tokens) == pytest.approx(float(full - base), abs=0.02)
    # The first and the last token of a text belong to no word, the first of five of a picture to no patch.
    assert found.words is not None
    assert sum(found.words) == pytest.approx(sum(tokens[1:-6]), abs=1e-5)
    assert np.shape(found.regions) == (2, 2)
    assert np.ravel(found.regions) == pytest.approx(tokens[-4:], abs=1e-5)


def test_threads_get_the_answers_of_one(classifier: PostClassifier, posts: pd.DataFrame) -> None:
    given = [Post(text, image) for text, image in zip(posts["text"], posts["image"], strict=True)]
    alone = [explain_post(classifier, one).to_dict() for one in given]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: explain_post(classifier, one).to_dict(), given))
    assert together == alone
    json.dumps(alone, allow_nan=False)


def test_a_chosen_class_and_what_cannot_be_chosen(classifier: PostClassifier, post: Post) -> None:
    usual = explain_post(classifier, post)
    other = next(name for name in classifier.label_names if name != usual.label)
    chosen = explain_post(classifier, post, label=other)
    assert chosen.score == pytest.approx(1 - usual.score, abs=1e-6)
    assert chosen.words[0].score == pytest.approx(-usual.words[0].score, abs=1e-5)
    with pytest.raises(ModelError, match=r"^label: there is no class 'x'; classes: "):
        explain_post(classifier, post, label="x")
    with pytest.raises(ModelError, match=r"^target: there is no target 'lable'; targets: label\. Did you mean 'label'"):
        explain_post(classifier, post, target="lable")
    with pytest.raises(RecipeError, match="unknown explanation method 'oclusion'; known: occlusion, gradients"):
        explain_post(classifier, post, method="oclusion")
    assert explain_post(classifier, Post("", post.image)).to_dict() == {"error": "empty text"}


def test_gradients_need_a_fast_tokenizer(
    classifier: PostClassifier, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(classifier.processor.tokenizer), "is_fast", False)
    with pytest.raises(
        ModelError, match=r"gradients need a fast tokenizer, and .* is not one; use the method occlusion"
    ):
        explain_post(classifier, post, method="gradients")


def test_an_export_has_no_gradients_but_occlusion(classifier: PostClassifier, post: Post) -> None:
    class Exported:
        several_images = False
        config = classifier.config

        def __call__(self, inputs: Any) -> Any:
            return classifier.runtime(inputs)

    export = PostClassifier(Exported(), classifier.processor)  # type: ignore[arg-type]
    found = explain_post(export, post)
    assert [w.score for w in found.words] == pytest.approx(
        [w.score for w in explain_post(classifier, post).words], abs=1e-5
    )
    with pytest.raises(ModelError, match="gradients need a model in PyTorch"):
        explain_post(export, post, method="gradients")
    with pytest.raises(ModelError, match="neighbours need a model in PyTorch"):
        aligned_vector(Probe(export, post))


def test_long_texts_and_several_pictures(classifier: PostClassifier, post: Post) -> None:
    long = explain_post(classifier, Post("so " * (MAX_WORDS + 3), post.image))
    assert len(long.words) == MAX_WORDS
    assert long.words_left_out == 3
    two = explain_post(classifier, Post(post.text, [post.image, post.image]))
    assert two.error is None
    assert two.regions is None
    assert two.words


def test_words_of_scripts_without_spaces() -> None:
    assert [("日本 is"[a:b]) for a, b in word_spans("日本 is")] == ["日", "本", "is"]
    assert without_spans("a b  c", [(2, 3), (0, 1)]) == "c"
    assert word_spans("") == []


@pytest.mark.parametrize(
    ("target", "label", "expected"),
    [
        (Target("s", label_names=("a", "b")), 1, np.log(1 / (1 + np.exp(1.0)))),
        (Target("m", "multi_label_classification", ("a", "b")), 0, 1.0),
        (Target("o", "ordinal", ("a", "b", "c")), 2, np.log(1 / (1 + np.exp(-1.0))) + np.log(0.5)),
        (Target("o", "ordinal", ("a", "b", "c")), 0, np.log(1 / (1 + np.exp(1.0)))),
        (Target("v", "regression"), None, 1.0),
    ],
    ids=["single", "multi", "highest grade", "lowest grade", "number"],
)
def test_what_is_differentiated(target: Target, label: int | None, expected: float) -> None:
    logits = torch.tensor([[1.0, 0.0]])[:, : target.logit_width]
    probe: Any = type("P", (), {"target": target, "label": label, "columns": slice(0, target.logit_width)})
    assert float(log_likelihood(probe, logits)[0]) == pytest.approx(expected, abs=1e-6)


def test_patches_in_a_square() -> None:
    assert square(np.arange(4.0)) == [[0, 1], [2, 3]]
    assert square(np.arange(5.0)) == [[1, 2], [3, 4]]
    assert square(np.arange(7.0)) is None


def test_neighbours(classifier: PostClassifier, posts: pd.DataFrame, tmp_path: Path) -> None:
    given = [(str(row.id), row.label, Post(row.text, row.image)) for row in posts.itertuples()]
    index, left_out = NeighbourIndex.build(classifier, [*given, ("bare", "x", Post("", None))])
    assert left_out == [("bare", "empty text")]
    found = explain_post(classifier, given[2][2], neighbours=index)
    assert found.neighbours[0].similarity == pytest.approx(1, abs=1e-4)
    own = next(near for near in found.neighbours if near.id == given[2][0])
    assert own == Neighbour(given[2][0], given[2][1], pytest.approx(1, abs=1e-4))  # type: ignore[arg-type]
    assert [near.similarity for near in found.neighbours] == sorted(
        (n.similarity for n in found.neighbours), reverse=True
    )
    assert len(found.neighbours) == 5
    index.save(tmp_path / "index.npz")
    again = NeighbourIndex.load(tmp_path / "index.npz")
    assert again.ids == index.ids
    assert (again.vectors == index.vectors).all()
    with pytest.raises(ModelError, match="the index of neighbours is of another model"):
        explain_post(classifier, given[0][2], neighbours=replace(index, model="other"))
    (tmp_path / "index.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"index\.npz is no index of neighbours"):
        NeighbourIndex.load(tmp_path / "index.npz")
    replace(index, ids=index.ids[1:]).save(tmp_path / "short.npz")
    with pytest.raises(DataError, match="is no whole index of neighbours"):
        NeighbourIndex.load(tmp_path / "short.npz")
    with pytest.raises(DataError, match="no post of the table can be read"):
        NeighbourIndex.build(classifier, [("bare", "x", Post("", None))])


def test_the_page_escapes_and_shows_everything() -> None:
    found = Explanation(
        target="label",
        value="<b>",
        label="<i>x</i>",
        score=0.5,
        method="occlusion",
        text="<script>alert(1)</script> \"' &amp; " + "y" * MAX_TEXT,
        words=[WordScore("<script>alert(1)</script>", 0, 0.4), WordScore("\"'", 26, -0.1)],
        words_left_out=2,
        neighbours=[Neighbour("<p>", "<q>", 0.5)],
    )
    page = render_page([ExplainedPost("<id>", found), ExplainedPost("2", Explanation(error="<e>"))], "<t>", 7)
    for raw in ("<script>", "<b>", "<i>x", "<id>", "<q>", "<e>", "<t>"):
        assert raw not in page, raw
    assert 'class="for10" title="+0.400">&lt;script&gt;' in page
    assert 'class="against2"' in page
    assert "2 of 7 posts" in page
    assert "1 without an answer" in page
    assert "2 further words were not scored" in page
    assert "src=" not in page


def test_pictures(classifier: PostClassifier, post: Post, tmp_path: Path) -> None:
    found = explain_post(classifier, post)
    seen = seen_picture(classifier, post)
    assert seen is not None
    assert seen.size == (32, 32)
    grey = Image.new("RGB", (60, 60), (128, 128, 128))
    shown = np.asarray(with_regions(grey, [[1.0, 0.0], [0.0, -0.5]]))
    assert shown[0, 0, 0] > 180 > 150 > shown[0, 0, 2]
    assert shown[-1, -1, 2] > shown[-1, -1, 0]
    assert with_regions(grey, None) is grey
    assert with_regions(grey, [[0.0]]) is grey
    assert with_regions(grey, [[0.004, -0.001]], least=found.least) is grey
    assert with_regions(grey, [[0.006, -0.001]], least=found.least) is not grey
    assert replace(found, label=None).least < 1e-6
    assert data_url(grey).startswith("data:image/jpeg;base64,")
    write_png(found, seen, tmp_path / "why.png")
    assert Image.open(tmp_path / "why.png").size[0] > 600
    with pytest.raises(OSError, match="Is a directory"):
        write_png(found, seen, tmp_path)
    write_png(replace(found, words=[]), None, tmp_path / "bare.png")
    assert headline(replace(found, label=None, target="mood", score=1.5)) == "mood: 1.5"


def test_a_table_and_its_unreadable_rows(tiny_run: Path, posts: pd.DataFrame) -> None:
    predictor = CLFAPredictor.load(tiny_run, allow_outside=True)
    table = posts.copy()
    table.loc[1, "text"] = ""
    found = predictor.explain(table, limit=3)
    assert [one.error for one in found] == [None, "empty text", None]


def test_the_command(tiny_run: Path, posts: pd.DataFrame, tmp_path: Path) -> None:
    run, source = str(tiny_run), tmp_path / "new.csv"
    posts.assign(text=[posts["text"][0], "", *posts["text"][2:]]).to_csv(source, index=False)
    result = CliRunner().invoke(
        app, ["explain", run, str(source), "--limit", "4", "--allow-outside", "--neighbours", str(source)]
    )
    assert result.exit_code == 0, result.output
    assert "5 posts in the index of neighbours, 1 left out" in result.output
    assert "4 of 6 posts, 1 without an answer" in result.output
    page = (tmp_path / "new.explanations.html").read_text()
    assert page.count("Nearest training posts") == 3
    one = ["explain", run, "--text", "so great", "--image", posts["image"][0]]
    result = CliRunner().invoke(app, [*one, "--output", str(tmp_path / "why.json")])
    assert result.exit_code == 0, result.output
    assert "without the picture: " in result.output
    assert len(json.loads((tmp_path / "why.json").read_text())["words"]) == 2
    result = CliRunner().invoke(app, [*one, "--output", str(tmp_path / "why.png")])
    assert (tmp_path / "why.png").is_file(), result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either an INPUT table, or one post"),
        (["new.csv", "--text", "x"], "give either an INPUT table, or one post"),
        (["--text", "x", "--save-index", "i.npz"], "--save-index needs --neighbours"),
        (["--text", "x", "--engine", "ray"], "--engine ray computes elsewhere"),
        (["--text", "x", "--output", "a.html"], "ends in .png or .json"),
        (["new.csv", "--output", "a.png"], "ends in .html"),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str, tiny_run: Path) -> None:
    result = CliRunner().invoke(app, ["explain", str(tiny_run), *arguments], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_post_that_cannot_be_read_is_an_error_of_the_command(tiny_run: Path) -> None:
    result = CliRunner().invoke(app, ["explain", str(tiny_run), "--text", "x", "--image", "none.png"])
    assert isinstance(result.exception, CLFAError)
    assert "cannot predict on this post: " in str(result.exception)


def test_small_changes_are_no_reasons(classifier: PostClassifier, post: Post) -> None:
    found = explain_post(classifier, post)
    words = [replace(word, score=0.004 * (-1) ** place) for place, word in enumerate(found.words)]
    quiet = render_page([ExplainedPost("1", replace(found, words=words))], "posts.csv", 1)
    assert 'title="' not in quiet
    words[0] = replace(words[0], score=-0.006)
    loud = render_page([ExplainedPost("1", replace(found, words=words))], "posts.csv", 1)
    assert 'class="against10" title="-0.006"' in loud


def test_the_answers_without_a_part_in_words(classifier: PostClassifier, post: Post) -> None:
    found = explain_post(classifier, post)
    text = Without("sincere", 0.1234, "withheld")
    picture = Without("sincere", 0.5, "a picture of its mean colour")
    without = {"text": text, "image": picture}
    assert without_lines(replace(found, label="sarcastic", without=without)) == [
        "without the text: sincere (12.3% for sarcastic; withheld)",
        "without the picture: sincere (50.0% for sarcastic; in its place a picture of its mean colour)",
    ]
    number = {"text": Without(3.0, 3.0, "an empty text")}
    assert without_lines(replace(found, label=None, without=number)) == [
        "without the text: 3.0 (3; in its place an empty text)"
    ]
