from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from clfa.errors import DataError, ModelError, RecipeError
from clfa.recipe import Recipe
from clfa.runs import evaluate as evaluate_module
from clfa.runs.evaluate import evaluate
from clfa.tables.access import Access
from clfa.targets.default_label import default_label
from posts import make_posts, read_jsonl, write_csv


def metrics_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_runs_own_figures_are_reproduced(tiny_run: Path, tmp_path: Path, split: str) -> None:
    found = evaluate(tiny_run, split, output=tmp_path)
    run = metrics_of(tiny_run)
    first, second = dict(found), dict(run[split])
    # Probabilities differ by rounding.
    again, before = first.pop("calibration"), second.pop("calibration")
    assert again["after"] == pytest.approx(before["after"], abs=1e-5)
    assert first == second
    written = metrics_of(tmp_path)
    assert (written.pop("run"), written.pop("split"), written.pop("data")) == (str(tiny_run), split, "posts")
    assert written == found
    assert read_jsonl(tmp_path / f"predictions-{split}.jsonl") == read_jsonl(tiny_run / f"predictions-{split}.jsonl")


def test_the_default_output_leaves_the_run_as_it_was(tiny_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("checkpoints"))
    before = (run / "metrics.json").read_bytes()
    assert evaluate(run, "train")["samples"] == 32
    assert (run / "metrics.json").read_bytes() == before
    assert {path.name for path in (run / "evaluation-train").iterdir()} == {
        "metrics.json",
        "predictions-train.jsonl",
        "dropped.jsonl",
        "confusion-train.png",
        "reliability-train.png",
    }
    with pytest.raises(RecipeError, match="holds a run, whose own metrics would be lost; give another output"):
        evaluate(run, "test", output=run)


def test_features_of_frozen_encoders_are_found_again(
    tiny_recipe: Callable[..., Recipe], posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clfa.modeling import frozen_encoder as features
    from clfa.runs.train import train

    train(tiny_recipe(posts_csv, "model.alpha=0", "training.epochs=1"), tmp_path / "run", cache=tmp_path / "cache")
    calls: list[Any] = []
    monkeypatch.setattr(features, "encode_image", lambda *args: calls.append(args))
    monkeypatch.setattr(features, "encode_text", lambda *args, **kwargs: calls.append(args))
    evaluate(tmp_path / "run", cache=tmp_path / "cache")
    assert not calls


def other_posts(folder: Path, **changes: Any) -> Path:
    return write_csv(folder / "other.csv", [{**row, "split": "test", **changes} for row in make_posts(folder, 8)])


def test_other_data(tiny_run: Path, tmp_path: Path) -> None:
    found = evaluate(tiny_run, data_dir=str(other_posts(tmp_path)), output=tmp_path / "out")
    assert found["samples"] == 8
    assert {row["id"] for row in read_jsonl(tmp_path / "out" / "predictions-test.jsonl")} == {f"p{n}" for n in range(8)}


def test_another_table_without_splits_is_scored_whole(tiny_run: Path, tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "split"} for row in make_posts(tmp_path, 12)]
    found = evaluate(tiny_run, data_dir=str(write_csv(tmp_path / "plain.csv", rows)), output=tmp_path / "out")
    assert found["samples"] == 12


def test_other_data_without_all_classes(tiny_run: Path, tmp_path: Path) -> None:
    found = evaluate(tiny_run, data_dir=str(other_posts(tmp_path, label="good")), output=tmp_path / "out")
    assert found["classes"]["good"]["support"] == 8
    assert found["classes"]["bad"]["support"] == 0


def test_bad_samples_are_listed_or_with_strict_an_error(tiny_run: Path, tmp_path: Path) -> None:
    table = other_posts(tmp_path)
    (tmp_path / "images" / "3.jpg").write_bytes(b"no picture")
    assert evaluate(tiny_run, data_dir=str(table), output=tmp_path / "out")["samples"] == 7
    (dropped,) = read_jsonl(tmp_path / "out" / "dropped.jsonl")
    assert (dropped["id"], dropped["split"], dropped["reason"]) == ("p3", "test", "unreadable image")
    with pytest.raises(DataError, match=r"sample 'p3' \(test, row 3\): unreadable image"):
        evaluate(tiny_run, data_dir=str(table), output=tmp_path / "strict", strict=True)


@pytest.mark.parametrize("root", ["http://example.org/x", "http://127.0.0.1/x", "zip://::s3://b/x.zip"])
def test_other_data_get_nothing_from_the_recipe_of_a_run(tiny_run: Path, tmp_path: Path, root: str) -> None:
    """A run may be somebody else's; what its recipe permits is for its own data."""
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    content = (run / "recipe.yaml").read_text()
    recipe = yaml.safe_load(content)
    recipe["data"] |= {"allow_outside": True, "allow_urls": True}
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    rows = make_posts(tmp_path / "posts", 8)
    shutil.copytree(tmp_path / "posts", tmp_path / "elsewhere")
    rows[0]["image"] = str(tmp_path / "elsewhere" / rows[0]["image"])
    rows[1]["image"] = "http://127.0.0.1:9/a.png"
    table = write_csv(tmp_path / "posts" / "posts.csv", rows)
    evaluate(run, data_dir=str(table), output=tmp_path / "out")
    reasons = [entry["reason"] for entry in read_jsonl(tmp_path / "out" / "dropped.jsonl")]
    assert reasons == ["image needs allow_outside", "image needs allow_urls"]

    recipe["data"]["options"] = {**recipe["data"].get("options", {}), "image_root": root}
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    access = Access.of(["http"] if "127" in root else False)
    with pytest.raises(DataError) as caught:
        evaluate(run, data_dir=str(table), output=tmp_path / "out", access=access)
    assert str(caught.value) == (
        f"the run reads pictures below {root}; if other data may do so, permit it with allow_urls=..., and `private` "
        "beside the scheme for a private host."
    )
    evaluate(run, data_dir=str(table), output=tmp_path / "out", image_root=table.parent)


def test_a_split_that_does_not_exist(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="posts has no dev samples; it has: train, validation, test"):
        evaluate(tiny_run, "dev", output=tmp_path)


def test_other_classes(tiny_run: Path, tmp_path: Path) -> None:
    from clfa.modeling import CLFAForClassification
    from clfa.recipe import load_recipe
    from clfa.runs.corpus import load_corpus

    corpus = load_corpus(load_recipe(tiny_run / "recipe.yaml"))
    corpus.targets = [default_label(["good", "bad"])]
    model = CLFAForClassification.from_pretrained(tiny_run / "model")
    with pytest.raises(
        DataError, match=r"targets are label \(single.*: bad, good\), the data's label \(single.*: good, bad\)"
    ):
        evaluate_module.check_label_names(model, corpus)


def test_not_a_run(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a run folder: it has no recipe.yaml. Train one with `clfa train`"):
        evaluate(tmp_path)
    shutil.copy(tiny_run / "recipe.yaml", tmp_path)
    with pytest.raises(ModelError, match=r"did not finish; continue it by training with resume=True"):
        evaluate(tmp_path)
    shutil.copy(tiny_run / "metrics.json", tmp_path)
    with pytest.raises(ModelError, match="model"):
        evaluate(tmp_path)


def test_posts_that_the_model_was_trained_on_are_told(
    tiny_run: Path, posts_csv: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # The table of the run: 32 of its 64 posts are the training split.
    assert evaluate(tiny_run, data_dir=str(posts_csv), output=tmp_path / "whole")["samples"] == 64
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "posts: 32 of 64 posts are ones that the model was trained on, with their labels. The scores are better than "
        "those of new posts; leave these rows out."
    ]
    caplog.clear()
    with posts_csv.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    held_out = write_csv(tmp_path / "held-out.csv", rows)
    assert (
        evaluate(tiny_run, data_dir=str(held_out), output=tmp_path / "o", image_root=posts_csv.parent)["samples"] == 16
    )
    evaluate(tiny_run, "test", output=tmp_path / "own")
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
