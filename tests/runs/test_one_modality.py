"""Models of texts or of pictures alone, on tables that have a column of the one they read only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clfa import CLFAPredictor
from clfa.data import read_corpus
from clfa.data.check import check_corpus
from clfa.errors import DataError
from clfa.issues import find_issues
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.recipe import load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.train import train
from posts import LABELS, make_posts, read_jsonl, write_csv

ONE = {
    "text": ["model.vision_encoder=null", "guide.name=none"],
    "image": ["model.text_encoder=null", "guide.name=none"],
}


@pytest.fixture(scope="module", params=ONE)
def field(request: pytest.FixtureRequest) -> str:
    """The one field that is read."""
    return str(request.param)


@pytest.fixture(scope="module")
def rows(field: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A folder with pictures, and 40 posts without the other field."""
    folder = tmp_path_factory.mktemp(f"{field}-alone")
    other = {"text": "image", "image": "text"}[field]
    return folder, [{k: v for k, v in row.items() if k != other} for row in make_posts(folder, 40)]


@pytest.fixture(scope="module")
def run(field: str, rows: tuple[Path, list[dict[str, Any]]], tiny_overrides: list[str], tmp_path_factory: Any) -> Path:
    folder, posts = rows
    path = tmp_path_factory.mktemp("runs") / field
    table = write_csv(folder / "posts.csv", posts)
    train(load_recipe("offline", [*tiny_overrides, *ONE[field], "training.epochs=1", f"data.dir={table}"]), path)
    return path


def test_training_keeps_every_row(run: Path, field: str) -> None:
    splits = json.loads((run / "splits.json").read_text())
    assert {name: len(ids) for name, ids in splits.items()} == {"train": 24, "validation": 8, "test": 8}
    metrics = json.loads((run / "metrics.json").read_text())
    assert 0 <= metrics["validation"]["accuracy"] <= 1
    assert not any("No post has a text" in warning for warning in metrics["warnings"])
    assert json.loads((run / "columns.json").read_text())[{"text": "image", "image": "text"}[field]] is None


@pytest.mark.parametrize("shards", [False, True])
def test_prediction_needs_its_column_only(
    run: Path, rows: tuple[Path, list[dict[str, Any]]], field: str, tmp_path: Path, shards: bool
) -> None:
    folder, posts = rows
    given = [{k: row[k] for k in ("id", field)} for row in posts]
    place = folder / ("shards" if shards else "plain.jsonl")
    if shards:
        place.mkdir(exist_ok=True)
        for number in range(2):
            pd.DataFrame(given[20 * number : 20 * number + 20]).to_parquet(place / f"{number}.parquet")
    else:
        place.write_text("".join(json.dumps(row) + "\n" for row in given))
    predictor = PostClassifier.load(run, batch_size=8)
    predict_file(predictor, place, tmp_path / "out.jsonl", image_root=str(folder))
    found = read_jsonl(tmp_path / "out.jsonl")
    assert [row["id"] for row in found] == [row["id"] for row in posts]
    assert {row["prediction"] for row in found} <= set(LABELS)
    direct = CLFAPredictor.load(run, image_root=folder).predict(pd.DataFrame(given))
    assert direct == [row["prediction"] for row in found]


def test_a_blend_of_pictures_alone(tiny_overrides: list[str], tmp_path: Path) -> None:
    frame = pd.DataFrame(make_posts(tmp_path, 40)).drop(columns="text")
    overrides = [*tiny_overrides, *ONE["image"], "model.readout=pooled", "training.epochs=1"]
    fitted = CLFAPredictor(path=tmp_path / "run", overrides=overrides, image_root=tmp_path).fit(frame)
    assert set(fitted.predict(frame)) <= set(LABELS)


def test_empty_texts_are_no_reason_where_none_are_read(tmp_path: Path, tiny_overrides: list[str]) -> None:
    posts = make_posts(tmp_path, 40)
    for row in posts[::2]:
        row["text"] = ""
    table = write_csv(tmp_path / "posts.csv", posts)
    place = f"data.dir={table}"
    assert not load_corpus(load_recipe("offline", [*tiny_overrides, *ONE["image"], place])).dropped
    assert load_corpus(load_recipe("offline", [*tiny_overrides, place])).dropped_counts() == {"empty text": 20}


def test_a_model_that_reads_texts_needs_their_column(tmp_path: Path, tiny_overrides: list[str]) -> None:
    posts = [{"file": row["image"], **row, "message": row["text"]} for row in make_posts(tmp_path, 20)]
    for row in posts:
        del row["text"]
    table = write_csv(tmp_path / "posts.csv", posts)
    place = f"data.dir={table}"
    with pytest.raises(DataError, match=r"posts\.csv: no text column; name it with text=\.\.\.; columns there: file"):
        load_corpus(load_recipe("offline", [*tiny_overrides, place]))
    missing = load_corpus(load_recipe("offline", [*tiny_overrides, "model.allow_missing_modalities=true", place]))
    assert missing.facts["incomplete"] == {"empty text": 20}
    more = [*tiny_overrides, place, "data.options.text=message", f"data.unlabelled=[{table}]"]
    assert len(load_corpus(load_recipe("offline", more)).splits["train"]) > 0
    (tmp_path / "more").mkdir()
    other = write_csv(tmp_path / "more" / "other.csv", [{"picture": "a.jpg", "said": "b"}])
    with pytest.raises(DataError, match=r"other\.csv: no column 'message'"):
        load_corpus(load_recipe("offline", [*more[:-1], f"data.unlabelled=[{other}]"]))


def test_tables_without_texts_are_checked(tmp_path: Path) -> None:
    posts = [{k: v for k, v in row.items() if k != "text"} for row in make_posts(tmp_path, 40)]
    posts[3]["id"] = posts[2]["id"]
    table = write_csv(tmp_path / "posts.csv", posts)
    report = check_corpus("table", table, progress=False)
    assert sum(split.kept for split in report.splits.values()) == 40
    assert report.facts["columns"]["id"] is None, "the ids of two pictures"
    assert [found.groups for found in report.duplicates if found.kind == "text"] == [0]
    assert report.concerns[0].startswith("No post has a text. Only a model that reads no texts")
    with pytest.raises(DataError, match=r"no post has a text.*; recipe=\.\.\. predicts them from the pictures"):
        find_issues(report.corpus)


def test_issues_are_found_in_pictures_alone(tmp_path: Path, tiny_overrides: list[str]) -> None:
    posts = [{k: v for k, v in row.items() if k != "text"} for row in make_posts(tmp_path, 40)]
    corpus = read_corpus("table", write_csv(tmp_path / "posts.csv", posts))
    found = find_issues(corpus, recipe=load_recipe("offline", [*tiny_overrides, *ONE["image"]]))
    assert (found.inputs, len(found.posts)) == ("image features", 40)


def test_a_folder_of_pictures_alone(tmp_path: Path, tiny_overrides: list[str]) -> None:
    posts = make_posts(tmp_path / "made", 20)
    for row in posts:
        folder = tmp_path / "set" / row["label"]
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / row["image"]).rename(folder / f"{row['id']}.jpg")
    place = [*tiny_overrides, "data.reader=image-folder", f"data.dir={tmp_path / 'set'}"]
    corpus = load_corpus(load_recipe("offline", [*place, *ONE["image"]]))
    assert (sum(map(len, corpus.splits.values())), corpus.dropped) == (20, [])
    assert sum(map(len, read_corpus("image-folder", tmp_path / "set").splits.values())) == 20
    with pytest.raises(DataError, match=r"expects class folders with <name>\.jpg and <name>\.txt"):
        load_corpus(load_recipe("offline", place))
    (tmp_path / "set" / LABELS[0] / "p0.txt").write_text("a text")
    assert len(read_corpus("image-folder", tmp_path / "set").dropped) == 19
