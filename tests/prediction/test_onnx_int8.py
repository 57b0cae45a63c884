from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import ResNetConfig, ResNetModel
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
from typer.testing import CliRunner

from clfa import CLFAPredictor
from clfa.cli.main import app
from clfa.errors import DataError, ModelError
from clfa.modeling import CLFAForClassification
from clfa.prediction import calibration_posts, onnx_export, onnx_int8
from clfa.prediction.calibration_posts import of_table, of_validation
from clfa.prediction.engines.onnx_engine import OnnxRuntime
from clfa.prediction.onnx_export import export_onnx
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.processing.processor import CLFAProcessor
from clfa.targets.target import Target
from posts import make_posts, read_jsonl, write_csv

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})

TARGETS = [
    Target("mood", "single_label_classification", label_names=("bad", "good")),
    Target("topics", "multi_label_classification", label_names=("rain", "sun")),
    Target("stars", "regression", mean=3.0, sd=2.0),
]


@pytest.fixture(scope="module")
def _small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Small matrices count as large ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_int8, "LARGE", 200)
        yield


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 20 posts, of which one has no text and one no picture file."""
    folder = tmp_path_factory.mktemp("calibration")
    rows = make_posts(folder, 20, with_split=False)
    rows[3]["text"], rows[5]["image"] = "", "gone.jpg"
    return write_csv(folder / "posts.csv", rows)


@pytest.fixture(scope="module")
def model(tiny_bert_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with a convolutional vision encoder, several targets, modalities that may be missing."""
    folder = tmp_path_factory.mktemp("int8")
    torch.manual_seed(5)
    vision = ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1]))
    vision.save_pretrained(folder / "resnet")
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder / "resnet")
    sizes = {"hidden_size": 16, "projection_hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    model = CLFAForClassification.from_encoders(
        tiny_bert_dir,
        folder / "resnet",
        (),
        num_fusion_layers=1,
        allow_missing_modalities=True,
        targets=[one.to_dict() for one in TARGETS],
        **sizes,
    )
    model.save_pretrained(folder / "model")
    CLFAProcessor.from_encoders(tiny_bert_dir, folder / "resnet").save_pretrained(folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def exported(model: Path, table: Path, _small: None) -> Path:
    """The model's directory, with an export in int8 in it and one in fp32 beside it."""
    export_onnx(model, model.parent / "fp32")
    with pytest.MonkeyPatch.context() as patch:
        # The exporter takes seconds, and the same for both.
        patch.setattr(onnx_export, "_export", lambda *arguments: _copy(model, arguments[-1]))
        export_onnx(model, model / "onnx", precision="int8", calibration=table, calibration_posts=16)
    return model


@pytest.mark.slow
def test_what_is_recorded(exported: Path, table: Path) -> None:
    report = OnnxRuntime(exported / "onnx").report
    assert report["precision"] == "int8"
    assert report["max_difference"] < 1e-4
    found = report["int8"]
    assert found["operations"]["convolutions"] > 3
    assert found["operations"]["products"] > 8
    assert found["source"] == str(table)
    # One row lacks its text, one its picture; the model allows both.
    assert (found["posts"], found["left_out"]) == (16, 0)
    assert len(found["inputs"]) == 32
    assert found["same_answers"] >= 0.95
    assert 0 < found["probability_difference"] < 0.05
    assert OnnxRuntime(exported.parent / "fp32").report["int8"] is None
    names = {path.name for path in (exported / "onnx").iterdir()}
    assert names == {path.name for path in (exported.parent / "fp32").iterdir()}


@pytest.mark.slow
def test_answers_are_near_those_in_fp32(exported: Path, tmp_path: Path) -> None:
    pairs = [(row["text"], str(tmp_path / row["image"])) for row in make_posts(tmp_path, 24)]
    posts = [Post(*pair) for pair in pairs] + [Post(pairs[0][0]), Post(None, pairs[1][1])]
    exact = PostClassifier.load(exported.parent / "fp32", engine="onnx")(posts)
    near = PostClassifier.load(exported, engine="onnx")(posts)
    differences = []
    for a, b in zip(exact, near, strict=True):
        assert (a.error, b.error) == (None, None)
        for name in ("mood", "topics"):
            assert b.targets[name].probabilities == pytest.approx(a.targets[name].probabilities, abs=0.05)
            differences.append(a.targets[name].probabilities != b.targets[name].probabilities)
        assert b.targets["stars"].value == pytest.approx(a.targets["stars"].value, abs=0.1)
    assert sum(differences) > 40
    same = np.mean([a.targets["mood"].value == b.targets["mood"].value for a, b in zip(exact, near, strict=True)])
    assert same >= 0.9


@pytest.mark.slow
def test_every_path_takes_it(exported: Path, table: Path, tmp_path: Path) -> None:
    predict_file(exported, table, tmp_path / "a.jsonl", engine="onnx")
    predictor = CLFAPredictor.load(exported, engine="onnx")
    predictor.predict_file(table, tmp_path / "b.jsonl")
    expected = read_jsonl(tmp_path / "a.jsonl")
    assert read_jsonl(tmp_path / "b.jsonl") == expected
    text = "what a great red day"
    result = runner.invoke(app, ["predict", str(exported), "--text", text, "--engine", "onnx"], catch_exceptions=False)
    assert result.exit_code == 0
    (found,) = PostClassifier.load(exported, engine="onnx")([Post(text)])
    assert f"mood:\n{found.targets['mood'].value}\n" in result.output
    with pytest.raises(ModelError, match=r"onnx is an export in int8; predict with precision='auto', or export"):
        CLFAPredictor.load(exported, engine="onnx", precision="fp32")


@pytest.mark.slow
def test_precision_of_a_model_that_is_loaded_without_one(exported: Path) -> None:
    assert PostClassifier.load(exported).runtime.precision == "fp32"
    assert PostClassifier.load(exported, engine="onnx").runtime.precision == "int8"
    assert PostClassifier.load(exported / "onnx", engine="ray").runtime.precision == "int8"
    assert PostClassifier.load(exported.parent / "fp32", engine="onnx", precision="fp32").runtime.precision == "fp32"


@pytest.mark.slow
def test_the_command(exported: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_export, "_export", lambda model, processor, path: _copy(exported, path))
    output = tmp_path / "out"
    command = ["export", "onnx", str(exported), "--output", str(output), "--precision", "int8"]
    result = runner.invoke(app, [*command, "--calibration", str(table)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    line = result.output.replace("\n", " ")
    assert f"calibrated with 20 posts (0 left out) of {table}" in line
    assert "have the same answer as in fp32, largest difference 0.0" in line
    with pytest.raises(ModelError, match=r"model is no run folder; give a table of posts with calibration="):
        runner.invoke(app, command, catch_exceptions=False)


def _copy(exported: Path, path: Path) -> None:
    shutil.copy(exported.parent / "fp32" / "model.onnx", path)


# Calibration posts.


def test_posts_of_the_validation_split(tiny_run: Path, posts_csv: Path) -> None:
    recorded = json.loads((tiny_run / "splits.json").read_text(encoding="utf-8"))["validation"]
    found = of_validation(tiny_run, 200)
    assert (len(found.posts), found.unreadable) == (len(recorded), 0) == (16, 0)
    assert found.source == f"{tiny_run}, validation"
    assert {int(post.text.split()[-1]) for post in found.posts} == {int(id[1:]) for id in recorded}
    fewer = of_validation(tiny_run, 9).posts
    assert len({post.text for post in fewer}) == 9
    assert fewer == of_validation(tiny_run, 9).posts


def test_posts_of_a_table(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_csv(tmp_path / "posts.csv", make_posts(tmp_path, 30, with_split=False))
    drawn = [post.text for post in of_table(path, tiny_run, ("text", "image"), 10).posts]
    assert drawn == sorted(set(drawn), key=lambda text: int(text.split()[-1]))
    assert len(drawn) == 10
    assert int(drawn[-1].split()[-1]) > 15
    monkeypatch.setattr(calibration_posts, "MOST_ROWS", 12)
    assert len(of_table(path, tiny_run, ("text",), 200).posts) == 12
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "so", "image": "a.jpg"}\nno object\n', encoding="utf-8")
    found = of_table(broken, tiny_run, ("text", "image"), 10)
    assert (len(found.posts), found.unreadable) == (1, 1)


# Errors: an earlier export stays.


@pytest.mark.slow
def test_errors_leave_the_earlier_export(
    exported: Path, table: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "_export", lambda model, processor, path: _copy(exported, path))
    before = {path.name: path.read_bytes() for path in (exported / "onnx").iterdir()}

    def fails(match: str, error: type[Exception] = ModelError, **arguments: Any) -> None:
        with pytest.raises(error, match=match):
            export_onnx(exported, exported / "onnx", **{"precision": "int8", **arguments})
        assert {path.name: path.read_bytes() for path in (exported / "onnx").iterdir()} == before
        assert [path.name for path in exported.iterdir() if path.name.startswith(".")] == []

    fails("precision='bf16' is not for exports; they take fp32, int8", precision="bf16")
    fails("calibration has an effect with precision='int8' alone", precision="fp32", calibration=table)
    fails("calibration_posts=7 is too few; give 8 or more", calibration=table, calibration_posts=7)
    fails("no run folder; give a table of posts with calibration=")
    fails("gone.csv", DataError, calibration=tmp_path / "gone.csv")
    bad = write_csv(tmp_path / "bad.csv", [{"text": "", "image": "no.jpg"}] * 4 + [{"text": "yes", "image": ""}])
    fails(r"bad.csv: 1 of 5 posts can be read \(the first reason: .*at least 8", DataError, calibration=bad)
    monkeypatch.setattr(onnx_export, "MOST_CHANGED", -0.1)
    fails(r"in int8 this model answers \d+\.\d% of 20 posts of .*posts.csv differently", calibration=table)
    monkeypatch.setattr(onnx_export, "to_int8", lambda *_: {})
    fails("no convolutional network and no large matrices to compute in int8; give precision='fp32'", calibration=table)


def test_a_run_whose_data_is_gone(tiny_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    text = (tiny_run / "recipe.yaml").read_text(encoding="utf-8")
    (run / "recipe.yaml").write_text(text.replace("posts.csv", "gone.csv"), encoding="utf-8")
    with pytest.raises(DataError, match=r"validation posts of .*run cannot be read: .*gone.csv.*; give a table of"):
        of_validation(run, 10)
    (run / "recipe.yaml").write_text(text, encoding="utf-8")
    (run / "splits.json").write_text('{"validation": ["else"]}', encoding="utf-8")
    with pytest.raises(DataError, match="no validation posts that the run recorded; give a table"):
        of_validation(run, 10)
    (run / "splits.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"splits.json is damaged .*; give calibration="):
        of_validation(run, 10)
