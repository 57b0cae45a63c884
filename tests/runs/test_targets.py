from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from scipy.stats import pearsonr
from sklearn.metrics import f1_score
from typer.testing import CliRunner

from clfa.cli.main import app
from clfa.data import read_corpus
from clfa.errors import DataError, ModelError, RecipeError
from clfa.modeling import CLFAForClassification
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.predictor import CLFAPredictor
from clfa.recipe import Recipe, load_recipe, validate_recipe
from clfa.runs.evaluate import check_label_names, evaluate
from clfa.runs.train import train
from posts import read_jsonl, write_csv, write_jsonl
from task_posts import EMOTIONS, make_task_posts

DOC = Path(__file__).parents[2] / "docs" / "tasks.md"
MakeRecipe = Callable[..., Recipe]


def blocks(language: str) -> list[str]:
    """Code blocks of the document."""
    return re.findall(rf"^```{language}\n(.*?)^```", DOC.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``posts.csv`` and ``new.csv`` as the document has them, and its recipe made tiny."""
    path = tmp_path_factory.mktemp("tasks")
    rows = make_task_posts(path)
    assert list(rows[0]) == [
        *blocks("csv")[0].split("\n")[0].split(",")[:3],
        "split",
        "sarcasm",
        "emotions",
        "intensity",
    ]
    write_csv(path / "posts.csv", rows)
    new = [{key: row[key] for key in ("id", "text", "image")} for row in rows[:10]]
    write_csv(path / "new.csv", [*new, {"id": "lost", "text": "so sunny", "image": "images/none.jpg"}])
    return path


@pytest.fixture(scope="module")
def doc_run(folder: Path, tiny_overrides: list[str]) -> Path:
    """The document's recipe and commands, carried out; pictures included."""
    (folder / "tasks.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    tiny = [item for item in tiny_overrides if "training.epochs" not in item]
    commands = [line.split() for line in blocks("sh")[1].splitlines()]
    assert [command[1] for command in commands] == ["train", "evaluate", "predict"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in commands:
            extra = [*tiny, "training.epochs=20"] if command[1] == "train" else []
            result = CliRunner().invoke(app, [*command[1:], *extra])
            assert result.exit_code == 0, result.output
            (folder / f"{command[1]}.txt").write_text(result.output, encoding="utf-8")
    return folder / "runs" / "tasks"


def test_the_documents_example(doc_run: Path, folder: Path) -> None:
    metrics = json.loads((doc_run / "metrics.json").read_text())
    assert metrics["data"]["samples"] == {"train": 32, "validation": 16, "test": 16}
    assert {path.name for path in doc_run.glob("*.png")} == {
        "learning-curves.png",
        *(
            f"{kind}-{split}-{target}.png"
            for split in ("validation", "test")
            for kind, target in (
                *(("confusion", "sarcasm"), ("f1", "emotions"), ("scatter", "intensity")),
                *(("reliability", "sarcasm"), ("reliability", "emotions")),
            )
        ),
    }
    for path in doc_run.glob("*.png"):
        with Image.open(path) as picture:
            picture.load()
    # The targets are easy to tell.
    assert metrics["test"]["targets"]["sarcasm"]["macro_f1"] > 0.9
    assert metrics["test"]["targets"]["intensity"]["pearson"] > 0.9
    assert json.loads((doc_run / "evaluation-test" / "metrics.json").read_text())["score"] == metrics["test"]["score"]
    for text in ("sarcasm", "emotions", "intensity", "score", "mAP", "rho"):
        assert text in (folder / "train.txt").read_text()
    shown = (folder / "predict.txt").read_text()
    assert "11 rows -> predictions.jsonl: " in shown
    assert "sarcasm: yes 5" in shown
    assert "1 x missing image" in shown
    lines = read_jsonl(folder / "predictions.jsonl")
    assert [line["id"] for line in lines] == [*(f"p{number}" for number in range(10)), "lost"]
    form = json.loads(blocks("json")[0])
    for line in lines[:10]:
        assert line.keys() == form.keys()
        for name, found in form["targets"].items():
            assert line["targets"][name].keys() == found.keys()
            assert line["targets"][name].get("probabilities", {}).keys() == found.get("probabilities", {}).keys()
    assert lines[10]["prediction"] is None
    assert "none.jpg" in lines[10]["error"]


def test_metrics_are_those_of_the_predictions(doc_run: Path) -> None:
    metrics = json.loads((doc_run / "metrics.json").read_text())
    for split in ("validation", "test"):
        rows = [row["targets"] for row in read_jsonl(doc_run / f"predictions-{split}.jsonl")]
        found = metrics[split]["targets"]
        truth, predicted = ([row["sarcasm"][key] for row in rows] for key in ("label", "prediction"))
        sarcasm = f1_score(truth, predicted, average="macro")
        sets = [
            [[name in row["emotions"][key] for name in EMOTIONS] for row in rows] for key in ("label", "prediction")
        ]
        emotions = f1_score(*np.array(sets), average="macro", zero_division=0)
        truth, predicted = ([row["intensity"][key] for row in rows] for key in ("label", "prediction"))
        intensity = pearsonr(truth, predicted).statistic
        assert found["sarcasm"]["macro_f1"] == pytest.approx(sarcasm)
        assert found["emotions"]["macro_f1"] == pytest.approx(emotions)
        assert found["intensity"]["pearson"] == pytest.approx(intensity, abs=1e-5)
        # In the user's unit: 0 to 11.5.
        assert found["intensity"]["mae"] == pytest.approx(np.mean(np.abs(np.subtract(truth, predicted))), abs=1e-4)
        assert max(truth) == 11.5
        assert metrics[split]["score"] == pytest.approx(np.mean([sarcasm, emotions, intensity]), abs=1e-5)


def test_the_model_keeps_what_was_fitted_to_the_training_split(doc_run: Path, folder: Path) -> None:
    table = pd.read_csv(folder / "posts.csv")
    part = table[table["split"] == "train"]
    sarcasm, emotions, intensity = CLFAForClassification.from_pretrained(doc_run / "model").config.target_list
    known = part["sarcasm"].dropna()
    assert len(known) == 30
    assert sarcasm.class_weights == pytest.approx([len(known) / 2 / (known == name).sum() for name in ("no", "yes")])
    sets = part["emotions"].dropna()
    positives = np.array([sets.str.contains(name).sum() for name in EMOTIONS])
    assert len(sets) == 30
    assert emotions.class_weights == pytest.approx((len(sets) - positives) / positives)
    assert intensity.mean == pytest.approx(part["intensity"].mean())
    assert intensity.sd == pytest.approx(part["intensity"].std(ddof=0))
    assert (intensity.weight, intensity.class_weights) == (0.5, None)
    # Thresholds are the best on validation: no other single one does better there.
    rows = [row["targets"]["emotions"] for row in read_jsonl(doc_run / "predictions-validation.jsonl")]
    assert emotions.thresholds is not None
    for name, threshold in zip(EMOTIONS, emotions.thresholds, strict=True):
        truth = np.array([name in row["label"] for row in rows])
        probabilities = np.array([row["probabilities"][name] for row in rows])
        reached = f1_score(truth, probabilities >= threshold, zero_division=0)
        others = [f1_score(truth, probabilities >= cut, zero_division=0) for cut in np.linspace(0, 1, 101)]
        assert reached >= max(others) - 1e-9
        for row, probability in zip(rows, probabilities, strict=True):
            assert (name in row["prediction"]) == (probability >= threshold)


def test_losses_of_the_targets_add_up(doc_run: Path) -> None:
    history = json.loads((doc_run / "history.json").read_text())
    logged = [entry for entry in history if "loss" in entry]
    assert len(logged) == 20
    for entry in logged:
        parts = {name: entry[f"loss_target_{name}"] for name in ("sarcasm", "emotions", "intensity")}
        # Every batch of this training has every target.
        total = parts["sarcasm"] + parts["emotions"] + 0.5 * parts["intensity"]
        assert entry["loss_classification"] == pytest.approx(total, rel=1e-3)
    scores = [entry["eval_score"] for entry in history if "eval_score" in entry]
    training = json.loads((doc_run / "metrics.json").read_text())["training"]
    assert training["best_validation_score"] == max(scores)
    assert training["best_epoch"] == 1 + scores.index(max(scores))


def test_the_documents_example_with_missing_pictures(
    doc_run: Path, folder: Path, tiny_overrides: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_csv(folder / "posts.csv")
    for row in rows[::5]:
        row["image"] = ""
    monkeypatch.chdir(folder)
    write_csv(folder / "gappy.csv", rows)
    tiny = [item for item in tiny_overrides if "training.epochs" not in item]
    for command in [line.split() for line in blocks("sh")[-1].splitlines()]:
        extra = [*tiny, "training.epochs=2", "data.dir=gappy.csv"] if command[1] == "train" else []
        result = CliRunner().invoke(app, [*command[1:], *extra])
        assert result.exit_code == 0, result.output
    metrics = json.loads((folder / "runs" / "tasks-missing" / "metrics.json").read_text())
    assert metrics["data"]["samples"] == {"train": 32, "validation": 16, "test": 16}
    assert metrics["data"]["dropped"] == {}
    assert set(metrics["test"]["without"]) == {"text", "image"}
    assert {"score", "sarcasm_macro_f1", "intensity_mae"} <= set(metrics["test"]["without"]["text"])
    # The row without a picture has a prediction now.
    lines = read_jsonl(folder / "predictions-missing.jsonl")
    assert [list(line) for line in lines] == [["id", "targets"]] * 11
    assert lines[10]["id"] == "lost"


def test_the_python_example(folder: Path, tiny_overrides: list[str]) -> None:
    (code,) = blocks("python")
    overrides = [item for item in tiny_overrides if "epochs" not in item]
    code = code.replace('path="runs/frame"', f'path="runs/frame", overrides={[*overrides, "training.epochs=1"]!r}')
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(code, names)
        predicted, probabilities = names["predicted"], names["probabilities"]
        metrics = names["predictor"].evaluate(pd.read_csv("posts.csv"))
    assert list(predicted.columns) == ["sarcasm", "emotions", "intensity"]
    assert len(predicted) == 11
    assert set(predicted["sarcasm"][:10]) <= {"no", "yes"}
    assert all(set(value) <= set(EMOTIONS) for value in predicted["emotions"][:10])
    assert all(isinstance(value, float) for value in predicted["intensity"][:10])
    assert predicted.iloc[10].tolist() == [None, None, None]
    assert list(probabilities.columns) == [
        ("sarcasm", "no"),
        ("sarcasm", "yes"),
        *(("emotions", name) for name in EMOTIONS),
    ]
    assert list(probabilities["sarcasm"].iloc[:10].idxmax(axis=1)) == list(predicted["sarcasm"][:10])
    assert probabilities.iloc[10].isna().all()
    assert metrics["targets"]["sarcasm"]["samples"] == 62
    assert metrics["samples"] == 64
    again = CLFAPredictor.load(folder / "runs" / "frame")
    assert again.predict(pd.DataFrame(columns=["text", "image"])).shape == (0, 3)


# One target, by the short way.


@pytest.fixture(scope="module")
def emotions_run(folder: Path, tiny_overrides: list[str]) -> Path:
    overrides = ["data.options.label=emotions", "data.problem_type=multi_label_classification"]
    assert all(item in blocks("sh")[0] for item in overrides)
    recipe = load_recipe("offline", [*tiny_overrides, *overrides, f"data.dir={folder / 'posts.csv'}"])
    train(recipe, folder / "runs" / "emotions")
    return folder / "runs" / "emotions"


def test_one_multi_label_target(emotions_run: Path, folder: Path, tmp_path: Path) -> None:
    config = json.loads((emotions_run / "model" / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    assert list(config["id2label"].values()) == list(EMOTIONS)
    row = read_jsonl(emotions_run / "predictions-test.jsonl")[0]
    assert list(row) == ["id", "label", "prediction", "probabilities"]
    assert all(p >= 0.5 for name, p in row["probabilities"].items() if name in row["prediction"])
    predictor = PostClassifier.load(emotions_run)
    output = tmp_path / "out.jsonl"
    summary = predict_file(predictor, folder / "new.csv", output)
    lines = read_jsonl(output)
    assert list(lines[0]) == ["id", "prediction", "probabilities"]
    assert isinstance(lines[0]["prediction"], list)
    counted = [name for line in lines[:10] for name in line["prediction"]]
    assert dict(summary.labels) == {name: counted.count(name) for name in set(counted)}
    frame = pd.read_csv(folder / "new.csv").assign(image=lambda t: str(folder) + "/" + t["image"])
    trained = CLFAPredictor.load(emotions_run, image_root=folder)
    assert trained.predict(frame) == [line["prediction"] for line in lines]
    probabilities = trained.predict_proba(frame)
    assert list(probabilities.columns) == list(EMOTIONS)
    assert dict(probabilities.iloc[0]) == pytest.approx(lines[0]["probabilities"], abs=1e-6)
    result = CliRunner().invoke(
        app, ["predict", str(emotions_run), "--text", "a red day", "--image", str(frame["image"][0])]
    )
    assert result.exit_code == 0, result.output
    assert [name in result.output for name in EMOTIONS] == [True] * 3


def test_one_regression(folder: Path, tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = tiny_recipe(folder / "posts.csv", "data.options.label=intensity", "data.problem_type=regression")
    train(recipe, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["problem_type"] == "regression"
    assert config["id2label"] == {"0": "label"}
    predictor = PostClassifier.load(tmp_path / "run")
    (found,) = predictor([Post("what a great red day", folder / "images" / "1.jpg")])
    assert isinstance(found.label, float)
    assert found.probabilities == {}
    predict_file(predictor, folder / "new.csv", tmp_path / "out.jsonl")
    lines = read_jsonl(tmp_path / "out.jsonl")
    assert list(lines[0]) == ["id", "prediction"]
    assert lines[1]["prediction"] == pytest.approx(
        predictor([Post("what a great red day 1", folder / "images" / "1.jpg")])[0].label, rel=1e-4
    )
    with pytest.raises(ModelError, match=r"a regression has no class probabilities; use predict\(\)"):
        CLFAPredictor.load(tmp_path / "run").predict_proba(pd.DataFrame())


def test_one_ordinal(folder: Path, tiny_overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Path] = []
    monkeypatch.setattr("clfa.targets.single_label.plot_confusion_matrix", lambda *args: drawn.append(args[2]))
    grades = ["not", "slightly", "very"]
    rows = [row for row in csv.DictReader((folder / "posts.csv").read_text().splitlines()) if row["intensity"]]
    for row in rows:
        number = float(row.pop("intensity"))
        row["twisted"] = grades[2 if number >= 10 else int(number >= 1)]
        row["image"] = str(tmp_path / row["image"])
    shutil.copytree(folder / "images", tmp_path / "images")
    snippet = yaml.safe_load(blocks("yaml")[1])
    assert snippet["data"]["targets"]["twisted"]["problem_type"] == "ordinal"
    snippet["data"]["targets"]["twisted"]["label_names"] = grades
    settings = load_recipe("offline", [*tiny_overrides, "training.class_weights=balanced"]).model_dump()
    recipe = validate_recipe({**settings, "data": {**snippet["data"], "dir": str(write_csv(tmp_path / "p.csv", rows))}})
    result = train(recipe, tmp_path / "run")
    scores = result.metrics["test"]["targets"]["twisted"]
    assert scores["problem_type"] == "ordinal"
    assert result.metrics["test"]["score"] == max(scores["quadratic_weighted_kappa"] or 0, 0)
    assert [path.name for path in drawn] == ["confusion-validation-twisted.png", "confusion-test-twisted.png"]
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["id2label"] == {"0": "above not", "1": "above slightly"}
    assert config.get("problem_type") is None
    assert len(config["targets"][0]["class_weights"]) == 3
    lines = read_jsonl(tmp_path / "run" / "predictions-test.jsonl")
    assert np.mean([grades.index(x["label"]) == grades.index(x["prediction"]) for x in lines]) == scores["accuracy"]
    assert all(sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5) for line in lines)
    again = evaluate(tmp_path / "run")["targets"]["twisted"]
    # Probabilities differ by rounding.
    first, second = scores.pop("calibration"), again.pop("calibration")
    assert first["after"] == pytest.approx(second["after"], abs=1e-5)
    assert again == scores

    predictor = PostClassifier.load(tmp_path / "run")
    assert predictor.label_names == grades
    summary = predict_file(predictor, tmp_path / "p.csv", tmp_path / "out.csv")
    assert sum(summary.labels.values()) == len(rows)
    assert set(summary.labels) <= set(grades)
    names = (tmp_path / "out.csv").read_text().splitlines()[0].split(",")
    assert names[:5] == ["id", "prediction", *(f"probability_{grade}" for grade in grades)]
    trained = CLFAPredictor.load(tmp_path / "run", image_root=tmp_path)
    assert list(trained.predict_proba(pd.DataFrame(rows)).columns) == grades
    shown = CliRunner().invoke(app, ["evaluate", str(tmp_path / "run")])
    assert "kappa" in shown.output
    shown = CliRunner().invoke(
        app, ["predict", str(tmp_path / "run"), "--text", "a red day", "--image", rows[0]["image"]]
    )
    assert shown.exit_code == 0, shown.output
    assert [grade in shown.output for grade in grades] == [True] * 3

    pytest.importorskip("onnxruntime")
    from clfa.prediction.onnx_export import export_onnx

    export_onnx(tmp_path / "run", tmp_path / "run" / "onnx")
    post = [Post(rows[0]["text"], rows[0]["image"])]
    (a,), (b,) = predictor(post), PostClassifier.load(tmp_path / "run", engine="onnx")(post)
    assert a.label == b.label
    assert a.probabilities == pytest.approx(b.probabilities, abs=1e-4)


def test_a_single_label_target_of_another_name(folder: Path, tiny_overrides: list[str], tmp_path: Path) -> None:
    table = pd.read_csv(folder / "posts.csv")
    predictor = CLFAPredictor(
        path=tmp_path / "run", image_root=folder, overrides=[*tiny_overrides, "training.epochs=1"]
    )
    predictor.fit(table, targets=["sarcasm"])
    assert predictor.label_names == ["no", "yes"]
    found = predictor.predict(table)
    assert set(found) <= {"no", "yes"}
    assert found == list(predictor.predict_proba(table).idxmax(axis=1))
    metrics = predictor.evaluate(table)
    assert metrics["score"] == metrics["targets"]["sarcasm"]["macro_f1"]
    truth = table["sarcasm"].dropna()
    assert metrics["targets"]["sarcasm"]["accuracy"] == pytest.approx(
        np.mean(truth == np.array(found)[truth.index]), abs=0.051
    )


def test_class_weights_of_the_default_task(posts_csv: Path, tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = tiny_recipe(posts_csv, "training.class_weights={good: 3}", "training.epochs=1", "model.focal_gamma=2")
    train(recipe, tmp_path / "run")
    config = CLFAForClassification.from_pretrained(tmp_path / "run" / "model").config
    assert (config.class_weights, config.focal_gamma, config.targets) == ([1.0, 3.0], 2.0, None)
    assert "macro_f1" in json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]
    with pytest.raises(RecipeError, match=r"there is no class 'fine'; classes: bad, good"):
        train(tiny_recipe(posts_csv, "training.class_weights={fine: 3}"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_default_tasks_configuration_has_no_targets(tiny_run: Path) -> None:
    config = json.loads((tiny_run / "model" / "config.json").read_text())
    assert config.get("targets") is None
    assert config.get("problem_type") is None
    assert config.get("class_weights") is None


# What cannot be.


def test_other_readers_have_one_label(tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, "data.reader=mmsd", "data.targets={sarcasm: {}}")
    with pytest.raises(RecipeError, match=r"the mmsd reader has one label per sample; data.targets .* table or hub"):
        train(recipe, tmp_path / "run")


def test_other_data_must_have_the_same_targets(emotions_run: Path, tmp_path: Path) -> None:
    rows = [{key: row[key] for key in ("id", "text", "image", "sarcasm")} for row in make_task_posts(tmp_path, 16)]
    path = write_csv(tmp_path / "posts.csv", rows)
    with pytest.raises(DataError, match=r"posts.csv: no column 'emotions' .*; columns there: id, text, image, sarcasm"):
        evaluate(emotions_run, data_dir=str(path))
    model = CLFAForClassification.from_pretrained(emotions_run / "model")
    other = read_corpus("table", path, targets={"sarcasm": {}})
    with pytest.raises(
        DataError,
        match=r"the model's targets are label \(multi_label_classification: anger, joy, sadness\), the data's sarcasm "
        r"\(single_label_classification: no, yes\); they must be the same",
    ):
        check_label_names(model, other)
    with pytest.raises(DataError, match="the data's label \(single_label_classification: no, yes\); they must"):
        check_label_names(model, read_corpus("table", path, label="sarcasm"))


def test_classes_the_model_does_not_know_are_left_out(emotions_run: Path, tmp_path: Path) -> None:
    rows = make_task_posts(tmp_path, 16)
    rows[0]["emotions"] = "joy|fear"
    path = write_jsonl(tmp_path / "posts.jsonl", [{**row, "emotions": row["emotions"].split("|")} for row in rows])
    metrics = evaluate(emotions_run, data_dir=str(path), output=tmp_path / "out")
    assert metrics["samples"] == 15
    (left_out,) = read_jsonl(tmp_path / "out" / "dropped.jsonl")
    assert left_out["reason"] == "unknown label"
    assert left_out["detail"] == "label: 'fear' is not one of anger, joy, sadness"


def test_a_class_without_a_positive_is_an_error(tiny_recipe: MakeRecipe, folder: Path, tmp_path: Path) -> None:
    spec = (
        "data.targets={emotions: {problem_type: multi_label_classification, label_names: [anger, joy, sadness, awe]}}"
    )
    with pytest.raises(DataError, match="no training sample of class 'awe' of target 'emotions'; add some"):
        train(tiny_recipe(folder / "posts.csv", spec), tmp_path / "run")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"targets": {"a": {"columm": "x"}}}, r"unknown key 'data.targets.a.columm'. Did you mean 'column'\?"),
        (
            {"targets": {"a": {"problem_type": "ranking"}}},
            "a.problem_type: unknown problem type 'ranking'; known: single",
        ),
        ({"targets": {"a": {"columns": {"x": "y"}}}}, "columns, one per class, need problem_type multi_label"),
        ({"targets": {"a": {"weight": 0}}}, "data.targets.a.weight: Input should be greater than 0"),
        ({"problem_type": "regression", "targets": {"a": {}}}, "with targets, give each its own problem_type"),
        ({"options": {"targets": {"a": {}}}}, "targets stand under data.targets, not under data.options"),
    ],
)
def test_recipes_that_cannot_be(data: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        validate_recipe({"name": "x", "data": data})


def test_class_names_may_be_numbers() -> None:
    weights = {"a": {0: 1, 1: 2.5}, "b": "balanced"}
    recipe = validate_recipe({"name": "x", "training": {"class_weights": weights}})
    assert recipe.training.class_weights == {"a": {"0": 1, "1": 2.5}, "b": "balanced"}
    recipe = validate_recipe({"name": "x", "data": {"targets": {"a": {"label_names": [0, 1]}}}})
    assert recipe.data.targets["a"].label_names == ["0", "1"]
    with pytest.raises(RecipeError, match=r"training.class_weights"):
        validate_recipe({"name": "x", "training": {"class_weights": "even"}})


def test_a_regression_by_the_short_way_has_no_classes() -> None:
    data = {"problem_type": "regression", "options": {"label_names": ["a", "b"]}}
    with pytest.raises(RecipeError, match="a regression has no classes; leave label_names out"):
        validate_recipe({"name": "x", "data": data})


def test_thresholds_need_a_multi_label_target() -> None:
    with pytest.raises(RecipeError, match="tune_thresholds needs a multi_label_classification target"):
        validate_recipe({"name": "x", "training": {"tune_thresholds": True}})


def test_two_targets_of_one_name_in_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("data:\n  targets:\n    mood: {}\n    mood: {column: x}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"(?s)twice.yaml is not valid YAML: .*'mood' occurs twice"):
        load_recipe(path)
    path.write_text("a: &a {x: 1}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="unknown key 'a'"):
        load_recipe(path)


def test_recipes_with_targets_are_saved_whole(tmp_path: Path) -> None:
    recipe = validate_recipe({"name": "tasks", **yaml.safe_load(blocks("yaml")[0])})
    recipe.save(tmp_path / "recipe.yaml")
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
    assert recipe.data.targets["sarcasm"].label_names == ["no", "yes"]
