from __future__ import annotations

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

from clfa.errors import DataError, ModelError, RecipeError
from clfa.prediction.post_classifier import PostClassifier
from clfa.predictor import PRESETS, CLFAPredictor
from clfa.recipe import load_recipe
from posts import LABELS, make_posts, read_jsonl, write_csv, write_jsonl


@pytest.fixture
def frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """40 posts with absolute picture paths below the working directory, no ids and no splits."""
    monkeypatch.chdir(tmp_path)
    rows = make_posts(tmp_path, 40, with_split=False)
    return pd.DataFrame([{**row, "image": str(tmp_path / row["image"])} for row in rows]).drop(columns="id")


@pytest.fixture(scope="module")
def loaded(tiny_run: Path) -> CLFAPredictor:
    return CLFAPredictor.load(tiny_run)


def test_fit_and_use_on_a_data_frame(frame: pd.DataFrame, tiny_overrides: list[str], tmp_path: Path) -> None:
    predictor = CLFAPredictor(path=tmp_path / "run", overrides=[*tiny_overrides, "training.epochs=1"])
    with pytest.raises(ModelError, match=r"not trained yet; call fit\(\) first"):
        predictor.predict(frame)
    assert predictor.fit(frame) is predictor
    assert predictor.label_names == list(LABELS)
    labels = predictor.predict(frame)
    probabilities = predictor.predict_proba(frame)
    embeddings = predictor.embed(frame)
    assert len(labels) == len(frame) == 40
    assert list(probabilities.columns) == list(LABELS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert labels == list(probabilities.idxmax(axis=1))
    assert embeddings.shape == (40, 16)
    assert embeddings.dtype == np.float32
    metrics = predictor.evaluate(frame)
    assert metrics["samples"] == 40
    assert metrics["accuracy"] == pytest.approx(np.mean(np.array(labels) == frame["label"]), abs=0.051)
    # A tenth was held out for choosing the epoch and a tenth for the test.
    assert len(read_jsonl(tmp_path / "run" / "predictions-validation.jsonl")) == 4
    # Labels of one class only are still the model's classes.
    assert predictor.evaluate(frame[frame["label"] == "good"])["classes"]["bad"]["support"] == 0


def test_a_model_that_is_not_above_the_yardsticks_is_reported(
    frame: pd.DataFrame, tiny_overrides: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Words say the class; a model that hardly learns does not see it.
    slow = [*tiny_overrides, "training.epochs=1", "training.learning_rate=1e-9"]
    with caplog.at_level("INFO", logger="clfa.predictor"):
        CLFAPredictor(path=tmp_path / "run", overrides=slow).fit(frame)
    (record,) = [record for record in caplog.records if record.name == "clfa.predictor"]
    assert record.levelname == "WARNING"
    assert "is not above the best yardstick (tfidf, 100.0)." in record.getMessage()


def test_fit_on_datasets_with_pictures_inside(frame: pd.DataFrame, tiny_overrides: list[str], tmp_path: Path) -> None:
    table = datasets.Dataset.from_pandas(frame).cast_column("image", datasets.Image())
    train, validation, test = (table.select(range(*bounds)) for bounds in ((0, 24), (24, 32), (32, 40)))
    predictor = CLFAPredictor(path=tmp_path / "run", overrides=[*tiny_overrides, "training.epochs=1"])
    predictor.fit(train, validation, test)
    assert len(read_jsonl(tmp_path / "run" / "predictions-validation.jsonl")) == 8
    scored = read_jsonl(tmp_path / "run" / "predictions-test.jsonl")
    found = predictor.predict_proba(test)
    for row, (_, probabilities) in zip(scored, found.iterrows(), strict=True):
        assert dict(probabilities) == pytest.approx(row["probabilities"], abs=2e-3)
    # A picture that does not decode fails alone.
    broken = datasets.Dataset.from_dict(
        {"text": ["so sunny"] * 2, "image": [{"bytes": b"no picture", "path": None}, test[0]["image"]]},
        features=datasets.Features({"text": datasets.Value("string"), "image": datasets.Image()}),
    )
    first, second = predictor.predict(broken)
    assert first is None
    assert second in LABELS


def test_columns_of_other_names(frame: pd.DataFrame, tiny_overrides: list[str], tmp_path: Path) -> None:
    renamed = frame.rename(columns={"text": "words", "image": "file", "label": "mood"})
    renamed["file"] = [Path(path).relative_to(tmp_path) for path in renamed["file"]]
    renamed["file"] = renamed["file"].astype(str)
    predictor = CLFAPredictor(
        path=tmp_path / "run",
        text="words",
        image="file",
        label="mood",
        image_root=tmp_path,
        overrides=[*tiny_overrides, "training.epochs=1"],
    ).fit(renamed)
    expected = predictor.predict(renamed)
    assert None not in expected
    again = CLFAPredictor.load(tmp_path / "run")
    assert again.predict(renamed) == expected
    # A usual name does as well.
    assert predictor.predict(renamed.rename(columns={"words": "Tweet"})) == expected
    with pytest.raises(DataError, match=r"<data frame>: no text column; call it 'text'; columns there: said, f"):
        predictor.predict(renamed.rename(columns={"words": "said"})[["said", "file"]])


def test_posts_that_cannot_be_read(loaded: CLFAPredictor, frame: pd.DataFrame, tmp_path: Path) -> None:
    table = frame.head(4).copy()
    table.loc[1, "image"] = str(tmp_path / "absent.jpg")
    table.loc[2, "text"] = None
    labels = loaded.predict(table)
    assert [label is None for label in labels] == [False, True, True, False]
    missing = [[False] * 2, [True] * 2, [True] * 2, [False] * 2]
    assert loaded.predict_proba(table).isna().to_numpy().tolist() == missing
    assert np.isnan(loaded.embed(table)).all(axis=1).tolist() == [False, True, True, False]
    reasons = [prediction.reason for prediction in loaded.predictions(table)]
    assert reasons == [None, "missing image", "empty text", None]


def test_tables_from_files(loaded: CLFAPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = make_posts(tmp_path, 6)
    csv, jsonl = write_csv(tmp_path / "posts.csv", rows), write_jsonl(tmp_path / "posts.jsonl", rows)
    expected = loaded.predict(pd.DataFrame([{**row, "image": str(tmp_path / row["image"])} for row in rows]))
    assert None not in expected
    assert loaded.predict(csv) == loaded.predict(str(jsonl)) == expected


def test_no_posts(loaded: CLFAPredictor, frame: pd.DataFrame) -> None:
    empty = frame.head(0)
    assert loaded.predict(empty) == []
    assert loaded.predict_proba(empty).shape == (0, 2)
    assert loaded.embed(empty).shape == (0, 16)


@pytest.mark.parametrize("table", [[3], 3], ids=["list", "number"])
def test_what_is_no_table(loaded: CLFAPredictor, table: Any) -> None:
    with pytest.raises(DataError, match=r"a table must be the path of a table file, a pandas DataFrame or a datas"):
        loaded.predict(table)


def test_save_and_load(loaded: CLFAPredictor, tiny_run: Path, frame: pd.DataFrame, tmp_path: Path) -> None:
    saved = loaded.save(tmp_path / "kept")
    assert saved == tmp_path / "kept"
    assert {path.name for path in tiny_run.iterdir()} - {path.name for path in saved.iterdir()} == {"checkpoints"}
    again = CLFAPredictor.load(saved)
    pd.testing.assert_frame_equal(again.predict_proba(frame.head(4)), loaded.predict_proba(frame.head(4)))
    np.testing.assert_array_equal(again.embed(frame.head(4)), loaded.embed(frame.head(4)))
    with pytest.raises(DataError, match="kept exists already; give another path"):
        loaded.save(tmp_path / "kept")
    assert PostClassifier.load(saved).label_names == list(LABELS)


def test_loading_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a model directory"):
        CLFAPredictor.load(tmp_path)


def test_saving_before_training(tiny_overrides: list[str], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not trained yet"):
        CLFAPredictor(overrides=tiny_overrides).save(tmp_path / "kept")


def test_a_temporary_run_goes_with_its_object(tiny_overrides: list[str]) -> None:
    predictor = CLFAPredictor(overrides=tiny_overrides)
    folder = predictor.path.parent
    assert folder.is_dir()
    del predictor
    gc.collect()
    assert not folder.exists()


def test_a_file_is_predicted_as_the_command_line_does(loaded: CLFAPredictor, tiny_run: Path, tmp_path: Path) -> None:
    rows = make_posts(tmp_path, 6, with_split=False)
    rows[2]["text"] = ""
    source = write_csv(tmp_path / "posts.csv", rows)
    summary = loaded.predict_file(source, tmp_path / "out.jsonl", failures=tmp_path / "failures.jsonl")
    assert (summary.rows, summary.failures) == (6, {"empty text": 1})
    found = read_jsonl(tmp_path / "out.jsonl")
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert [row["prediction"] for row in found] == loaded.predict(source)
    assert [row["row"] for row in read_jsonl(tmp_path / "failures.jsonl")] == [3]
    with pytest.raises(ModelError, match=r"^address is not for engine 'torch', which works in this process\.$"):
        loaded.predict_file(source, tmp_path / "other.jsonl", address="auto")


def test_loading_a_model_directory(loaded: CLFAPredictor, tiny_run: Path, frame: pd.DataFrame) -> None:
    plain = CLFAPredictor.load(tiny_run / "model", precision="fp32", batch_size=3)
    assert plain.predict(frame) == loaded.predict(frame)
    with pytest.raises(ModelError, match="is a model without a recipe; make a new CLFAPredictor to train"):
        plain.fit(frame)
    with pytest.raises(ModelError, match="is not a run folder"):
        plain.evaluate(frame)
    with pytest.raises(ModelError, match=r"engine 'onnx'; it takes auto, fp32"):
        CLFAPredictor.load(tiny_run, engine="onnx", precision="bf16")


def test_presets_are_recipes() -> None:
    assert CLFAPredictor().recipe == load_recipe("good")
    for name in PRESETS:
        assert CLFAPredictor(presets=name).recipe == load_recipe(name)
    best = CLFAPredictor(presets="best", overrides=["training.members=3"]).recipe
    assert best is not None
    assert (best.training.members, best.training.blend) == (3, True)


def test_a_preset_that_does_not_exist_or_beside_a_recipe() -> None:
    with pytest.raises(RecipeError, match="no preset 'great'; choose one of: fast, good, best"):
        CLFAPredictor(presets="great")
    with pytest.raises(
        RecipeError, match="recipe and presets are both given; a preset is a recipe, so give one of them"
    ):
        CLFAPredictor("offline", presets="good")


def test_fit_again(frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[Path] = []

    def train(recipe: Any, output: Path, source: Any, **more: Any) -> Any:
        folders.append(output)
        output.mkdir(parents=True)
        (output / "recipe.yaml").touch()
        (output / "metrics.json").touch()
        return SimpleNamespace(metrics={})

    monkeypatch.setattr("clfa.runs.train.train", train)
    monkeypatch.setattr("clfa.yardsticks.standing.standing", lambda metrics: None)
    monkeypatch.setattr("clfa.prediction.post_classifier.PostClassifier.load", lambda path: object())
    again = CLFAPredictor()
    for number in (1, 2, 3):
        assert again.fit(frame).path == folders[number - 1]
    assert [folder.is_dir() for folder in folders] == [False, False, True]
    there = CLFAPredictor(path=tmp_path / "run").fit(frame)
    with pytest.raises(RecipeError, match=r"run holds a run already; make a CLFAPredictor with another path, or"):
        there.fit(frame)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(RecipeError, match="holds other files already"):
        CLFAPredictor(path=tmp_path).fit(frame)
