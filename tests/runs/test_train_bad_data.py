from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clfa.errors import DataError, ModelError, RecipeError
from clfa.recipe import Recipe
from clfa.runs.train import train
from posts import make_posts, read_jsonl, write_csv

MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def broken_csv(tmp_path: Path) -> Path:
    folder = tmp_path / "broken"
    rows = make_posts(folder)
    (folder / "images" / "0.jpg").unlink()
    picture = folder / "images" / "1.jpg"
    picture.write_bytes(picture.read_bytes()[:-200])
    rows[2]["text"] = "  "
    rows[3]["label"] = "splendid"
    rows[4]["id"] = "p5"  # the later of the two is left out
    return write_csv(folder / "posts.csv", rows)


OPTIONS = ("data.options.label_names=[bad, good]", "model.alpha=0", "training.epochs=1")


def test_bad_samples_are_left_out_counted_and_listed(tiny_recipe: MakeRecipe, broken_csv: Path, tmp_path: Path) -> None:
    metrics = train(tiny_recipe(broken_csv, *OPTIONS, "data.options.id=id"), tmp_path / "run").metrics
    assert metrics["data"]["samples"] == {"train": 27, "validation": 16, "test": 16}
    assert metrics["data"]["dropped"] == {
        "missing image": 1,
        "unreadable image": 1,
        "empty text": 1,
        "unknown label": 1,
        "duplicate id": 1,
    }
    dropped = {row["reason"]: row for row in read_jsonl(tmp_path / "run" / "dropped.jsonl")}
    assert {reason: row["id"] for reason, row in dropped.items()} == {
        "missing image": "p0",
        "unreadable image": "p1",
        "empty text": "p2",
        "unknown label": "p3",
        "duplicate id": "p5",
    }
    assert dropped["missing image"]["detail"].endswith("0.jpg: image file not found")
    assert "1.jpg: image is broken or truncated" in dropped["unreadable image"]["detail"]
    assert "'splendid' is not one of bad, good" in dropped["unknown label"]["detail"]


def test_strict_names_the_first_bad_sample(tiny_recipe: MakeRecipe, broken_csv: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"posts: sample 'p0' \(train, row 0\): missing image: .*0.jpg"):
        train(tiny_recipe(broken_csv, *OPTIONS, "data.options.id=id"), tmp_path / "run", strict=True)
    assert not (tmp_path / "run").exists()


def test_a_class_without_a_training_sample(tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training sample of class 'so-so'"):
        train(tiny_recipe(posts_csv, "data.options.label_names=[bad, good, so-so]"), tmp_path / "run")


def test_nothing_to_train_on(tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    rows = [row for row in make_posts(tmp_path) if row["split"] != "validation"]
    table = write_csv(tmp_path / "posts.csv", [{**row, "text": ""} for row in rows])
    with pytest.raises(DataError, match=r"^posts has no train and no validation samples.*: 48 x empty text\. The"):
        train(tiny_recipe(table), tmp_path / "run")


def test_a_data_directory_of_the_wrong_layout(tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match=r"labelResultAll.txt"):
        train(tiny_recipe(tmp_path / "data", recipe="paper-mvsa-single"), tmp_path / "run")
    with pytest.raises(DataError, match="absent"):
        train(tiny_recipe(tmp_path / "absent", recipe="paper-mmsd"), tmp_path / "run")
    with pytest.raises(RecipeError, match=r"no data: give data\.dir in the recipe, or source"):
        train(tiny_recipe(None), tmp_path / "run")


def test_pictures_are_wanted_and_there_are_none(tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "image"} for row in make_posts(tmp_path)]
    table = write_csv(tmp_path / "posts.csv", rows)
    with pytest.raises(
        DataError, match=r"has no images, and the recipe's model reads them. Set model.vision_encoder=nu"
    ):
        train(tiny_recipe(table), tmp_path / "run")
    # Following that advice is enough, whatever the guide.
    result = train(tiny_recipe(table, "model.vision_encoder=null", "training.epochs=1"), tmp_path / "run")
    assert result.metrics["guide"] is None


def test_an_output_in_use(tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RecipeError, match="is not empty and not a run folder; give another output"):
        train(tiny_recipe(posts_csv), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("model.text_encoder={empty}", ModelError, "empty' is not a model directory"),
        ("guide.model={empty}", ModelError, "empty' is not a model directory"),
        ("guide.modle=x", RecipeError, r"unknown key 'guide.modle'.*Did you mean 'model'\?"),
        ("guide.name=clipp", RecipeError, r"unknown guide 'clipp'; known: clip, fitted, conse. Did you mean 'clip'\?"),
        ("model.fusion=cross_atention", RecipeError, "unknown fusion 'cross_atention'"),
        (
            "model.freeze_text_encoder=99",
            ModelError,
            "cannot freeze the lowest 99 layers of BertModel: it has 2 ",
        ),
        ("model.image_grid_size=7", ModelError, "image_grid_size=7 does not fit 5 image tokens; leave it out"),
        ("data.reader=tabel", RecipeError, r"unknown reader 'tabel'.*Did you mean 'table'\?"),
    ],
)
def test_a_failed_preparation_leaves_no_run_folder_in_the_way(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, override: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=message):
        train(tiny_recipe(posts_csv, override.format(empty=tmp_path / "empty")), tmp_path / "run")
    assert not (tmp_path / "run").exists()
