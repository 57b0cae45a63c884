"""What a run records of its data, and what a resumed run and an evaluation do with it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from clfa.errors import DataError
from clfa.recipe import Recipe
from clfa.runs.data_record import DataRecord
from clfa.runs.evaluate import evaluate
from clfa.runs.train import train
from posts import make_posts, picture, read_jsonl, write_csv

Posts = list[dict[str, Any]]
SMALL = ("guide={name: none}", "model.alpha=0", "training.epochs=1", "training.yardsticks=false")


def begin(make: Callable[..., Recipe], folder: Path, with_split: bool = False) -> tuple[Recipe, Path, Posts]:
    """Return recipe, folder and posts of a run that was interrupted after its last epoch."""
    posts = make_posts(folder, 40, with_split=with_split)
    recipe = make(write_csv(folder / "posts.csv", posts), *SMALL)
    train(recipe, folder / "run")
    (folder / "run" / "metrics.json").unlink()
    return recipe, folder / "run", posts


def test_the_folder_has_the_ids_of_each_split(tiny_run: Path) -> None:
    ids = json.loads((tiny_run / "splits.json").read_text(encoding="utf-8"))
    assert {name: len(own) for name, own in ids.items()} == {"train": 32, "validation": 16, "test": 16}
    assert ids["test"][:2] == ["p24", "p25"]
    assert [row["id"] for row in read_jsonl(tiny_run / "predictions-test.jsonl")] == ids["test"]
    content = json.loads((tiny_run / "data.json").read_text(encoding="utf-8"))
    assert content["targets"] == [
        {"name": "label", "problem_type": "single_label_classification", "label_names": ["bad", "good"]}
    ]
    assert len(set(content["digests"]["train"])) == 32


def remove(posts: Posts, folder: Path) -> Posts:
    return posts[2:]


def add(posts: Posts, folder: Path) -> Posts:
    return [*posts, {**posts[0], "id": "new", "text": "a new great day"}]


def edit_text(posts: Posts, folder: Path) -> Posts:
    return [{**posts[0], "text": "something else"}, *posts[1:]]


def edit_label(posts: Posts, folder: Path) -> Posts:
    return [{**posts[0], "label": "good"}, *posts[1:]]


def edit_picture(posts: Posts, folder: Path) -> Posts:
    picture(folder / posts[0]["image"], "white", 99)
    return posts


def add_class(posts: Posts, folder: Path) -> Posts:
    return [*posts, *({**post, "id": f"n{i}", "label": "new"} for i, post in enumerate(posts[:20]))]


def rename(posts: Posts, folder: Path) -> Posts:
    return [{**post, "id": f"other-{post['id']}"} for post in posts]


CHANGES = {
    remove: r"2 samples \('p0', 'p1'\) are gone; samples by split: ",
    add: r"1 sample \('new'\) is new; samples by split: ",
    edit_text: r"1 sample \('p0'\) has another content\. ",
    edit_label: r"1 sample \('p0'\) has another content\. |1 sample \('p0'\) has another content; samples by split",
    edit_picture: r"1 sample \('p0'\) has another content\. ",
    add_class: r"the targets were label \(single_label_classification: bad, good\) and are now label .*bad, good, new",
    rename: r"40 samples \('p\d+', 'p\d+', 'p\d+', \.\.\.\) are gone; 40 samples \('other-.*\.\.\.\) are new\. ",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_run_is_not_resumed_on_changed_data(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path, change: Callable[[Posts, Path], Posts]
) -> None:
    recipe, run, posts = begin(tiny_recipe, tmp_path)
    before = (run / "splits.json").read_bytes()
    write_csv(tmp_path / "posts.csv", change(posts, tmp_path))
    with pytest.raises(DataError, match=f"the data of the run in .* has changed: {CHANGES[change]}") as caught:
        train(recipe, run, resume=True)
    assert "train again with another output" in str(caught.value)
    assert not (run / "metrics.json").exists()
    assert (run / "splits.json").read_bytes() == before


def test_a_drawn_split_is_the_recorded_one_whatever_the_order_of_the_rows(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe, run, posts = begin(tiny_recipe, tmp_path)
    expected = json.loads((run / "splits.json").read_text(encoding="utf-8"))
    predictions = read_jsonl(run / "predictions-test.jsonl")
    random.Random(0).shuffle(posts)
    write_csv(tmp_path / "posts.csv", posts)
    train(recipe, run, resume=True)
    assert json.loads((run / "splits.json").read_text(encoding="utf-8")) == expected
    assert read_jsonl(run / "predictions-test.jsonl") == predictions
    evaluate(run, "test", output=tmp_path / "again")
    assert read_jsonl(tmp_path / "again" / "predictions-test.jsonl") == predictions


def test_a_given_split_that_changed_is_refused(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe, run, posts = begin(tiny_recipe, tmp_path, with_split=True)
    posts[0]["split"], posts[24]["split"] = posts[24]["split"], posts[0]["split"]
    write_csv(tmp_path / "posts.csv", posts)
    with pytest.raises(DataError, match=r"has changed: 2 samples \('p24', 'p0'\) are in another split"):
        train(recipe, run, resume=True)


def test_a_run_that_recorded_nothing_is_not_resumed(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe, run, _ = begin(tiny_recipe, tmp_path)
    (run / "data.json").unlink()
    with pytest.raises(DataError, match=r"has no splits.json and data.json, so it cannot be told whether its data"):
        train(recipe, run, resume=True)
    # Killed before anything was trained: nothing to compare with.
    shutil.rmtree(run / "checkpoints")
    assert train(recipe, run, resume=True).metrics["training"]["epochs_run"] == 1
    assert (run / "data.json").is_file()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("splits.json", '{"train": ["a"', "splits.json or data.json is damaged"),
        ("splits.json", "[]", "splits.json or data.json is damaged"),
        ("data.json", "[" * 100_000, "splits.json or data.json is damaged"),
        ("data.json", "{}", "splits.json or data.json is damaged"),
        ("splits.json", '{"train": []}', "splits.json and data.json do not belong together"),
    ],
    ids=range(5),
)
def test_a_damaged_record_is_named(tiny_run: Path, tmp_path: Path, file: str, content: str, message: str) -> None:
    for name in ("splits.json", "data.json"):
        shutil.copy(tiny_run / name, tmp_path / name)
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=message):
        DataRecord.read(tmp_path)


def test_an_evaluation_uses_the_recorded_split(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe, run, posts = begin(tiny_recipe, tmp_path)
    train(recipe, run, resume=True)
    ids = json.loads((run / "splits.json").read_text(encoding="utf-8"))
    # A row of train less: the draw is another one, and the run's test split is still there.
    write_csv(tmp_path / "posts.csv", [post for post in posts if post["id"] != ids["train"][0]])
    evaluate(run, "test", output=tmp_path / "out")
    assert [row["id"] for row in read_jsonl(tmp_path / "out" / "predictions-test.jsonl")] == ids["test"]
    write_csv(tmp_path / "posts.csv", [post for post in posts if post["id"] != ids["test"][0]])
    with pytest.raises(DataError, match=rf"1 sample \('{ids['test'][0]}'\) of the run's test split is no longer in"):
        evaluate(run, "test", output=tmp_path / "out")
    # Other data is what it is.
    evaluate(run, "test", data_dir=str(tmp_path / "posts.csv"), output=tmp_path / "other")
    assert len(read_jsonl(tmp_path / "other" / "predictions-test.jsonl")) == 39


def test_ids_that_restart_in_each_split_are_told_apart(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    posts = make_posts(tmp_path, 40)
    for name in ("train", "validation", "test"):
        rows = [{k: v for k, v in post.items() if k not in ("id", "split")} for post in posts if post["split"] == name]
        write_csv(tmp_path / f"{name}.csv", rows)
    recipe = tiny_recipe(tmp_path, *SMALL)
    train(recipe, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()
    predictions = read_jsonl(tmp_path / "run" / "predictions-test.jsonl")
    train(recipe, tmp_path / "run", resume=True)
    assert read_jsonl(tmp_path / "run" / "predictions-test.jsonl") == predictions


def scaled(folder: Path, to: Path) -> None:
    """Copy a model with one weight of another value over ``to``."""
    shutil.copytree(folder, to, dirs_exist_ok=True)
    path = to / "model.safetensors"
    tensors = load_file(path)
    name = next(name for name in sorted(tensors) if tensors[name].ndim > 1)
    tensors[name] = tensors[name] * 1.5
    save_file(tensors, path, {"format": "pt"})


@pytest.mark.parametrize("part", ["text encoder", "vision encoder", "guide"])
def test_a_run_is_not_resumed_with_another_encoder_or_guide(
    tiny_recipe: Callable[..., Recipe],
    tiny_bert_dir: Path,
    tiny_vit_dir: Path,
    tiny_clip_dir: Path,
    tmp_path: Path,
    part: str,
) -> None:
    # Checkpoints have no frozen encoders: the run would have been half of one, half of another.
    places = {"text encoder": tiny_bert_dir, "vision encoder": tiny_vit_dir, "guide": tiny_clip_dir}
    for name, place in places.items():
        shutil.copytree(place, tmp_path / name)
    table = write_csv(tmp_path / "posts.csv", make_posts(tmp_path, 40))
    recipe = tiny_recipe(
        table,
        f"model.text_encoder={tmp_path / 'text encoder'}",
        f"model.vision_encoder={tmp_path / 'vision encoder'}",
        f"guide={{name: clip, model: {json.dumps(str(tmp_path / 'guide'))}}}",
        "training.epochs=1",
        "training.yardsticks=false",
    )
    train(recipe, tmp_path / "run")
    parts = json.loads((tmp_path / "run" / "data.json").read_text(encoding="utf-8"))["parts"]
    assert sorted(parts) == ["the guide", "the text encoder", "the vision encoder"]
    (tmp_path / "run" / "metrics.json").unlink()
    scaled(places[part], tmp_path / part)
    with pytest.raises(
        DataError, match=rf"the {part} of the run in .*run is not as when the run began; resume=True nee"
    ):
        train(recipe, tmp_path / "run", resume=True)
    shutil.copytree(places[part], tmp_path / part, dirs_exist_ok=True)
    assert train(recipe, tmp_path / "run", resume=True).metrics["training"]["epochs_run"] == 1
