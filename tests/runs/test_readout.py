"""The readout by recipe, and the agreement from the table to every output of predictions."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clfa.cli.one_post import predict_one
from clfa.errors import ModelError, RecipeError
from clfa.modeling import CLFAForClassification
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.predictor import CLFAPredictor
from clfa.recipe import Recipe, load_recipe
from clfa.runs.evaluate import evaluate
from clfa.runs.train import train
from posts import make_posts, read_jsonl, write_csv

MakeRecipe = Callable[..., Recipe]
# Of the 64 posts: one without image, one without text, one without either.
NO_IMAGE, NO_TEXT, NEITHER = "p1", "p6", "p9"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("posts")
    rows = make_posts(folder)
    for row in rows:
        row["image"] = "" if row["id"] in (NO_IMAGE, NEITHER) else row["image"]
        row["text"] = "" if row["id"] in (NO_TEXT, NEITHER) else row["text"]
    return write_csv(folder / "posts.csv", rows)


@pytest.fixture(scope="module")
def run(table: Path, tiny_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "relation"
    further = ["model.readout=relation", "model.allow_missing_modalities=true", f"data.dir={table}"]
    train(load_recipe("offline", [*tiny_overrides, *further]), path)
    return path


def test_the_run_has_the_readout_and_is_evaluated_again(run: Path, tmp_path: Path) -> None:
    assert load_recipe(run / "recipe.yaml").model.readout == "relation"
    model = CLFAForClassification.from_pretrained(run / "model")
    # At the width of the guide.
    assert model.readout.dense.in_features == 12 + 12 + 1 + 2
    metrics = evaluate(run, "test", output=tmp_path / "again")
    assert metrics["samples"] == 16
    assert metrics["without"].keys() == {"text", "image"}


def test_agreement_in_every_output(run: Path, table: Path, tmp_path: Path) -> None:
    for name in ("out.jsonl", "out.csv", "out.parquet", "folder"):
        predict_file(run, table, tmp_path / name)
    records = {row["id"]: row for row in read_jsonl(tmp_path / "out.jsonl")}
    assert len(records) == 64
    assert {name for name, row in records.items() if "agreement" not in row} == {NO_IMAGE, NO_TEXT, NEITHER}
    assert {name for name, row in records.items() if "error" in row} == {NEITHER}
    found = {name: row["agreement"] for name, row in records.items() if "agreement" in row}
    assert all(-1 <= agreement <= 1 for agreement in found.values())
    assert len(set(found.values())) > 50
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "prediction", "probability_bad", "probability_good", "agreement", "error"]
    assert {row["id"]: float(row["agreement"]) for row in rows if row["agreement"]} == found
    for path in (tmp_path / "out.parquet", tmp_path / "folder" / "part-000000.parquet"):
        content = pq.read_table(path).to_pylist()
        assert {row["id"]: row["agreement"] for row in content if row["agreement"] is not None} == found


@pytest.mark.parametrize("engine", ["torch", "ray"])
def test_agreement_is_the_cosine_of_the_students(run: Path, table: Path, engine: str) -> None:
    classifier = PostClassifier.load(run, engine=engine)
    predictor = CLFAPredictor.load(run, engine=engine)
    predictions = predictor.predictions(table)
    posts = make_posts(table.parent)
    inputs = classifier.processor(
        text=[post["text"] for post in posts[10:14]],
        images=[str(table.parent / post["image"]) for post in posts[10:14]],
    )
    output = classifier.model(**inputs)
    text, image = output.text_embeds.detach(), output.image_embeds.detach()
    cosines = ((text / text.norm(dim=1)[:, None]) * (image / image.norm(dim=1)[:, None])).sum(1)
    assert [prediction.agreement for prediction in predictions[10:14]] == pytest.approx(cosines.tolist(), abs=1e-5)
    assert predictions[9].agreement is None


def test_one_post_at_the_command_line(run: Path, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(table.parent / "images" / "3.jpg")
    predict_one(str(run), "what a day", [image])
    (found,) = PostClassifier.load(run)([Post("what a day", image)])
    assert capsys.readouterr().out.splitlines()[-1] == f"agreement of text and image: {found.agreement:.2f}"
    predict_one(str(run), "what a day", [])
    assert "agreement" not in capsys.readouterr().out


def test_a_model_that_does_not_compare_reports_none(tiny_run: Path, posts_csv: Path, tmp_path: Path) -> None:
    classifier = PostClassifier.load(tiny_run)
    assert not classifier.has_agreement
    predict_file(classifier, posts_csv, tmp_path / "out.csv")
    assert "agreement" not in (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[0]
    assert all(prediction.agreement is None for prediction in CLFAPredictor.load(tiny_run).predictions(posts_csv))


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["model.readout=relatoin"], RecipeError, "unknown readout 'relatoin'"),
        (["model.baseline=pooled_concat"], ModelError, "the baseline 'pooled_concat' does not have"),
        (["model.vision_encoder=null"], ModelError, "this model reads one of them"),
        (["model.readout_options={parts: [angle]}"], ModelError, "has the part 'angle'"),
    ],
)
def test_wrong_readouts_leave_no_folder(
    tiny_recipe: MakeRecipe,
    posts_csv: Path,
    tmp_path: Path,
    overrides: list[str],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        train(tiny_recipe(posts_csv, "model.readout=relation", *overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()
