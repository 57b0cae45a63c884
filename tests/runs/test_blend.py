"""Runs whose network is blended with the yardsticks, alone and over folds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clfa.blending.weights import blend_weights
from clfa.errors import RecipeError
from clfa.modeling import CLFAForClassification
from clfa.modeling.readout.relation import RelationReadout
from clfa.prediction.predict import predict_file
from clfa.predictor import CLFAPredictor
from clfa.processing.processor import CLFAProcessor
from clfa.recipe import Recipe, load_recipe
from clfa.runs import blend, members
from clfa.runs.evaluate import evaluate
from clfa.runs.train import train
from clfa.targets.probabilities import softmax
from clfa.targets.target import Target
from posts import make_posts, read_jsonl, write_csv

MakeRecipe = Callable[..., Recipe]
MISSING = {"p1": "image", "p6": "text"}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("posts")
    rows = [{**row, **({MISSING[row["id"]]: ""} if row["id"] in MISSING else {})} for row in make_posts(folder)]
    return write_csv(folder / "posts.csv", rows)


FURTHER = ["training.blend=true", "model.readout=relation", "model.allow_missing_modalities=true"]


@pytest.fixture(scope="module")
def blended(table: Path, tiny_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "blend"
    train(load_recipe("offline", [*tiny_overrides, *FURTHER, f"data.dir={table}"]), path)
    return path


@pytest.fixture(scope="module")
def joined(table: Path, tiny_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "members"
    train(load_recipe("offline", [*tiny_overrides, *FURTHER, "training.members=3", f"data.dir={table}"]), path)
    return path


@pytest.fixture(scope="module")
def agreeing(table: Path, tiny_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "agreeing"
    overrides = [*tiny_overrides, *FURTHER, "training.members=2", "training.blend_agreement=true", f"data.dir={table}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blend, "weights_with_agreement", with_agreement_always)
        train(load_recipe("offline", overrides), path)
    return path


def with_agreement_always(target: Target, logits: list[np.ndarray], labels: np.ndarray, _: np.ndarray) -> np.ndarray:
    return blend_weights(target, logits, labels)


def metrics_of(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


def test_the_weights_of_all_parts_are_reported(blended: Path) -> None:
    found = metrics_of(blended)["blend"]
    assert found["pull"] == 100
    assert list(found["weights"]["label"]) == ["network", "tfidf", "pooled_tfidf"]
    assert min(found["weights"]["label"].values()) >= 0


def test_the_agreement_is_a_part_where_it_is_asked_for(agreeing: Path, blended: Path) -> None:
    assert list(metrics_of(agreeing)["blend"]["weights"]["label"]) == ["network", "tfidf", "pooled_tfidf", "agreement"]
    model = CLFAForClassification.from_pretrained(agreeing / "model")
    assert model.config.blend_agreement
    assert model.blend.agreement_weight.abs().max() > 0
    assert not CLFAForClassification.from_pretrained(blended / "model").config.blend_agreement


@pytest.mark.parametrize("run", ["blended", "joined", "agreeing"])
def test_the_saved_blend_predicts_what_was_scored(
    run: str, table: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(run)
    assert evaluate(path, "test", output=tmp_path / "again")["classes"] == metrics_of(path)["test"]["classes"]
    predict_file(path, table, tmp_path / "out.jsonl")
    found = {row["id"]: row["probabilities"] for row in read_jsonl(tmp_path / "out.jsonl")}
    scored = {row["id"]: row["probabilities"] for row in read_jsonl(path / "predictions-test.jsonl")}
    assert len(scored) == 16
    for key, probabilities in scored.items():
        assert found[key] == pytest.approx(probabilities, abs=2e-3)
    model = CLFAForClassification.from_pretrained(path / "model")
    assert model.config.num_terms == len(CLFAProcessor.from_pretrained(path / "model").terms)


@pytest.mark.parametrize("overrides", [[], ["training.blend_agreement=true"]], ids=["yardsticks", "agreement"])
def test_the_model_is_the_weighted_sum_of_the_network_and_the_yardsticks(
    overrides: list[str], tiny_recipe: MakeRecipe, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, found = blend.blend, []

    def kept(*args: object) -> blend.Blended:
        found.append(whole(*args))
        return found[0]

    monkeypatch.setattr(blend, "blend", kept)
    monkeypatch.setattr(blend, "weights_with_agreement", with_agreement_always)
    train(tiny_recipe(table, *FURTHER, *overrides, "training.calibrate=false"), tmp_path / "run")
    # Summed before the linear models were folded into one map.
    expected = softmax(found[0].logits)
    rows = read_jsonl(tmp_path / "run/predictions-validation.jsonl")
    np.testing.assert_allclose([list(row["probabilities"].values()) for row in rows], expected, atol=2e-3)


def test_members_share_the_weight_of_the_network(joined: Path) -> None:
    model = CLFAForClassification.from_pretrained(joined / "model")
    weight = metrics_of(joined)["blend"]["weights"]["label"]["network"]
    np.testing.assert_allclose(model.blend.scale.numpy(), np.full((3, 2), weight / 3), atol=1e-4)


def test_the_terms_count_in_predictions(blended: Path) -> None:
    model = CLFAForClassification.from_pretrained(blended / "model")
    assert float(model.blend.wide.terms_weight.abs().max()) > 0.01


def test_members_hold_out_each_post_once(joined: Path) -> None:
    metrics = metrics_of(joined)
    samples = metrics["data"]["samples"]
    assert metrics["out_of_fold"]["samples"] == samples["train"] + samples["validation"]
    assert metrics["validation"]["samples"] == samples["validation"]
    assert len(metrics["training"]["members"]) == 3
    held = []
    for number in (1, 2, 3):
        folder = joined / "members" / str(number)
        splits = json.loads((folder / "splits.json").read_text())
        assert not set(splits["train"]) & set(splits["validation"])
        held += splits["validation"]
        # Its weights are in the blend.
        assert not (folder / "model").exists()
    whole = json.loads((joined / "splits.json").read_text())
    assert sorted(held) == sorted(whole["train"] + whole["validation"])
    assert not set(held) & set(whole["test"])


def test_the_validation_figures_are_those_of_held_out_predictions(joined: Path) -> None:
    whole = json.loads((joined / "splits.json").read_text())
    rows = {row["id"]: row["probabilities"] for row in read_jsonl(joined / "predictions-validation.jsonl")}
    assert list(rows) == whole["validation"]
    model = CLFAForClassification.from_pretrained(joined / "model")
    assert (model.config.num_members, len(model.members)) == (3, 2)
    # The blend itself has seen these posts, so that it gives other probabilities.
    assert all(np.isclose(sum(probabilities.values()), 1) for probabilities in rows.values())


def test_a_killed_run_goes_on_with_the_members_that_are_finished(
    joined: Path, table: Path, tiny_overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe("offline", [*tiny_overrides, *FURTHER, "training.members=3", f"data.dir={table}"])
    whole, count = members.train_one, []

    def killed(*args: object, **kwargs: object) -> object:
        count.append(1)
        if len(count) == 3:
            raise KeyboardInterrupt
        return whole(*args, **kwargs)

    monkeypatch.setattr(members, "train_one", killed)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run")
    first = (tmp_path / "run/members/1/metrics.json").stat().st_mtime_ns
    train(recipe, tmp_path / "run", resume=True)
    assert (tmp_path / "run/members/1/metrics.json").stat().st_mtime_ns == first
    assert metrics_of(tmp_path / "run")["test"] == metrics_of(joined)["test"]
    assert metrics_of(tmp_path / "run")["out_of_fold"] == metrics_of(joined)["out_of_fold"]


def test_texts_without_common_terms_are_blended_without_terms(tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    rows = [{**row, "text": chr(0x4E00 + number)} for number, row in enumerate(make_posts(tmp_path))]
    recipe = tiny_recipe(write_csv(tmp_path / "t.csv", rows), "training.blend=true", "data.options.group_by=id")
    train(recipe, tmp_path / "run")
    model = CLFAForClassification.from_pretrained(tmp_path / "run/model")
    assert (model.config.wide, model.config.num_terms) == (True, 0)


def test_more_members_than_posts(tiny_recipe: MakeRecipe, table: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(table, "training.blend=true", "training.members=20", "data.limit=4")
    with pytest.raises(
        RecipeError, match=r"training.members is 20, and there are \d+ posts to divide; use fewer members"
    ):
        train(recipe, tmp_path / "run")
    shutil.rmtree(tmp_path / "run", ignore_errors=True)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.members=2"], "training.members above 1 needs training.blend=true"),
        (
            ["training.blend=true", "training.yardsticks=false"],
            "training.blend needs training.yardsticks=true and frozen",
        ),
        (
            ["training.blend=true", "model.freeze_text_encoder=false"],
            "training.blend needs training.yardsticks=true and",
        ),
        (
            ["training.blend_agreement=true", "model.readout=relation"],
            "training.blend_agreement needs training.blend=true and model.readout=relation",
        ),
        (
            ["training.blend_agreement=true", "training.blend=true"],
            "training.blend_agreement needs training.blend=true and model.readout=relation",
        ),
    ],
)
def test_recipes_that_cannot_be_blended(overrides: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe("offline", overrides)


def test_a_readout_that_compares_nothing_gives_the_blend_no_agreement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RelationReadout, "compares", False)
    overrides = ["training.blend=true", "training.blend_agreement=true", "model.readout=relation"]
    with pytest.raises(RecipeError, match="needs a readout that compares text and image; 'relation' does not"):
        train(load_recipe("offline", overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "finished"), [(0.01, 1), (1000, 2)])
def test_a_time_limit_leaves_out_members(
    seconds: float,
    finished: int,
    table: Path,
    tiny_overrides: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    read = members.RunFolder.read_metrics

    def slow(self: members.RunFolder) -> dict:
        # Members as of much data: the first one takes 400 s, the second 2,000 s.
        found = read(self)
        return {**found, "resources": {"seconds_total": 400 if self.path.name == "1" else 2000}}

    if finished == 2:
        monkeypatch.setattr(members.RunFolder, "read_metrics", slow)
    overrides = ["training.members=3", f"training.time_limit={seconds}", "training.epochs=1", f"data.dir={table}"]
    train(load_recipe("offline", [*tiny_overrides, *FURTHER, *overrides]), tmp_path / "run")
    assert f"The time limit of {seconds:g} s leaves out {3 - finished} of 3 networks" in caplog.text
    monkeypatch.undo()
    metrics = metrics_of(tmp_path / "run")
    training = metrics["training"]
    assert (training["time_limit"], training["members_left_out"], len(training["members"])) == (
        seconds,
        3 - finished,
        finished,
    )
    whole = json.loads((tmp_path / "run/splits.json").read_text())
    held = []
    for number in range(1, finished + 1):
        held += json.loads((tmp_path / f"run/members/{number}/splits.json").read_text())["validation"]
    assert metrics["out_of_fold"]["samples"] == len(held)
    # Held-out predictions alone, in the order of the split.
    rows = [row["id"] for row in read_jsonl(tmp_path / "run/predictions-validation.jsonl")]
    assert rows == [one for one in whole["validation"] if one in set(held)]
    assert metrics["validation"]["samples"] == len(rows) > 0
    assert metrics["test"]["samples"] == len(whole["test"])
    assert CLFAForClassification.from_pretrained(tmp_path / "run/model").config.num_members == finished
    shown = CLFAPredictor.load(tmp_path / "run").summary()
    assert (
        f"The time limit left out {3 - finished} of 3 networks; the model is the blend of {finished}, and its "
        f"validation scores are of the {len(rows)} posts held out by them." in shown
    )
