from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel
from typer.testing import CliRunner

from clfa.cli.main import app
from clfa.errors import DataError, ModelError
from clfa.files import final_name
from clfa.modeling import CLFAForClassification
from clfa.prediction import onnx_export
from clfa.prediction.engines.onnx_engine import OnnxRuntime
from clfa.prediction.onnx_export import ExportReport, export_onnx
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.processing.processor import CLFAProcessor
from clfa.processing.terms import Terms
from clfa.targets.target import Target
from hidden_packages import run_without
from posts import make_posts, read_jsonl, write_csv

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})

SMALL = {"hidden_size": 8, "projection_hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2}


# What `requirements/onnx-runtime.txt` leaves out.
ABSENT = {
    "torch",
    "accelerate",
    "datasets",
    "sklearn",
    "scipy",
    "matplotlib",
    "jinja2",
    "tensorboard",
    "onnx",
}

WITHOUT_PYTORCH = """
import json, sys
from clfa import CLFAPredictor
from clfa.cli.main import main

command, post = json.loads(sys.argv[1])
print("answer", CLFAPredictor.load(command[1], engine="onnx", allow_outside=True).predict(post))
sys.argv[1:] = command
main()
"""


def save(directory: Path, text: Path | None, vision: Path | None, **config: Any) -> Path:
    torch.manual_seed(3)
    sizes = {**SMALL, "num_fusion_layers": 1, **config}
    names = () if "targets" in sizes else ("bad", "good")
    CLFAForClassification.from_encoders(text, vision, names, **sizes).save_pretrained(directory)
    CLFAProcessor.from_encoders(text, vision).save_pretrained(directory)
    return directory


def shallow(directory: Path, folder: Path) -> Path:
    """A copy of a tiny encoder with one layer: the exporter takes seconds for each, and every layer is the same."""
    shutil.copytree(directory, folder)
    AutoModel.from_pretrained(directory, num_hidden_layers=1).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny_bert_dir(tiny_bert_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shallow(tiny_bert_dir, tmp_path_factory.mktemp("shallow") / "bert")


@pytest.fixture(scope="module")
def tiny_vit_dir(tiny_vit_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shallow(tiny_vit_dir, tmp_path_factory.mktemp("shallow") / "vit")


@pytest.fixture(scope="module")
def run(tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with an exported model in it."""
    path = save(tmp_path_factory.mktemp("onnx") / "run", tiny_bert_dir, tiny_vit_dir)
    export_onnx(path, path / "onnx")
    return path


def test_a_full_disk_is_no_fault_of_the_model(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **options: Any) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("a step of the exporter failed") from error

    place = tmp_path / "onnx"
    shutil.copytree(run / "onnx", place)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    monkeypatch.setattr(onnx_export.torch.onnx, "export", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        export_onnx(run, place)
    assert error.value.errno == errno.ENOSPC
    assert final_name(error.value.filename) == str(place / "model.onnx")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_damaged_report_of_an_export_is_named(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "onnx", tmp_path / "onnx")
    (tmp_path / "onnx" / "export.json").write_text('{"precision"')
    with pytest.raises(DataError, match=r"export\.json is damaged \(.*\); export the model again\.$"):
        PostClassifier.load(tmp_path / "onnx", engine="onnx")


def test_tables_and_posts_are_predicted_without_pytorch(run: Path, posts: list[dict[str, Any]], tmp_path: Path) -> None:
    table, site = write_csv(tmp_path / "posts.csv", posts), tmp_path / "site"
    site.mkdir()
    command = ["predict", str(run), str(table), "--engine", "onnx", "--output", str(tmp_path / "bare.jsonl")]
    post = {"text": posts[0]["text"], "image": str(tmp_path / posts[0]["image"])}
    done = run_without(ABSENT, WITHOUT_PYTORCH, json.dumps([command, post]), site=site)
    assert done.returncode == 0, done.stdout
    predict_file(run, table, tmp_path / "whole.jsonl", engine="onnx")
    expected = read_jsonl(tmp_path / "whole.jsonl")
    assert read_jsonl(tmp_path / "bare.jsonl") == expected
    assert f"answer {expected[0]['prediction']}\n" in done.stdout


@pytest.fixture
def posts(tmp_path: Path) -> list[dict[str, Any]]:
    rows = [{k: row[k] for k in ("id", "text", "image")} for row in make_posts(tmp_path, 23)]
    for number, row in enumerate(rows):
        row["text"] = " ".join([row["text"]] * (1 + number % 6))
    rows[4]["text"] = ""
    return rows


def test_what_is_written(run: Path) -> None:
    report = OnnxRuntime(run / "onnx").report
    assert report["inputs"] == ["input_ids", "attention_mask", "pixel_values", "image_index"]
    assert report["batches"] == 5
    assert 0 <= report["max_difference"] < 1e-4
    assert {"clfa", "torch", "onnx", "onnxruntime"} <= set(report["versions"])
    assert report["megabytes"] == pytest.approx((run / "onnx" / "model.onnx").stat().st_size / 1e6, abs=0.06)
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []


# Those that are installed.
EXPORT_ENGINES = ["onnx", *(["openvino"] if find_spec("openvino") else [])]


def assert_several_pictures_are_read(directory: Path, export: Path, folder: Path, posts: Any) -> None:
    images = [str(folder / row["image"]) for row in posts[:4]]
    rows = [Post("so", images[start:stop]) for start, stop in ((0, 3), (1, 2), (2, 4), (0, 2), (0, 1))]
    for engine in EXPORT_ENGINES:
        for size in (1, 2, 5):
            plain = PostClassifier.load(directory, batch_size=size)(rows)
            exported = PostClassifier.load(export, batch_size=size, engine=engine)(rows)
            for a, b in zip(plain, exported, strict=True):
                assert (a.error, b.error) == (None, None)
                np.testing.assert_allclose(b.embedding, a.embedding, atol=1e-4)
        assert abs(exported[0].embedding - exported[-1].embedding).max() > 0.001


def test_posts_with_several_pictures(run: Path, posts: Any, tmp_path: Path) -> None:
    assert_several_pictures_are_read(run, run / "onnx", tmp_path, posts)


def test_a_baseline_reads_several_pictures(tiny_bert_dir: Path, tiny_vit_dir: Path, posts: Any, tmp_path: Path) -> None:
    directory = save(tmp_path / "model", tiny_bert_dir, tiny_vit_dir, baseline="pooled_concat")
    export_onnx(directory, tmp_path / "exported")
    assert_several_pictures_are_read(directory, tmp_path / "exported", tmp_path, posts)


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_predictions_equal_those_of_pytorch(run: Path, posts: Any, tmp_path: Path, engine: str) -> None:
    pytest.importorskip("openvino" if engine == "openvino" else "onnxruntime")
    rows = [Post(row["text"], str(tmp_path / row["image"])) for row in posts]
    plain = PostClassifier.load(run, batch_size=5)(rows)
    for place in (run, run / "onnx"):
        exported = PostClassifier.load(place, batch_size=5, engine=engine)(rows)
        for a, b in zip(plain, exported, strict=True):
            assert (a.label, a.error) == (b.label, b.error)
            assert b.probabilities == pytest.approx(a.probabilities, abs=1e-4)
            if a.embedding is not None:
                np.testing.assert_allclose(b.embedding, a.embedding, atol=1e-4)


@pytest.mark.parametrize("modality", ["text", "image"])
def test_models_of_one_modality(modality: str, tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path: Path) -> None:
    text, vision = (tiny_bert_dir, None) if modality == "text" else (None, tiny_vit_dir)
    directory = save(tmp_path / "model", text, vision)
    report = export_onnx(directory, tmp_path / "exported")
    assert report.inputs == (["input_ids", "attention_mask"] if modality == "text" else ["pixel_values", "image_index"])
    rows = [Post(row["text"], str(tmp_path / row["image"])) for row in make_posts(tmp_path, 5)]
    plain = PostClassifier.load(directory)(rows)
    exported = PostClassifier.load(tmp_path / "exported", engine="onnx")(rows)
    for a, b in zip(plain, exported, strict=True):
        assert b.probabilities == pytest.approx(a.probabilities, abs=1e-4)


def test_agreement_of_an_exported_model(tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path: Path) -> None:
    directory = save(tmp_path / "model", tiny_bert_dir, tiny_vit_dir, fusion="late", readout="relation", guide_dim=5)
    assert export_onnx(directory, tmp_path / "exported").max_difference < 1e-4
    rows = [Post(row["text"], str(tmp_path / row["image"])) for row in make_posts(tmp_path, 7)]
    rows[2] = Post("", None)
    plain = PostClassifier.load(directory, batch_size=3)
    exported = PostClassifier.load(tmp_path / "exported", batch_size=3, engine="onnx")
    assert plain.has_agreement
    assert exported.has_agreement
    for number, (a, b) in enumerate(zip(plain(rows), exported(rows), strict=True)):
        assert b.probabilities == pytest.approx(a.probabilities, abs=1e-4)
        assert (a.agreement is None) == (b.agreement is None) == (number == 2)
        assert b.agreement == (a.agreement and pytest.approx(a.agreement, abs=1e-4))
        assert a.agreement is None or -1 <= a.agreement <= 1


def test_missing_modalities_knowledge_several_pictures_and_targets(
    tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path: Path
) -> None:
    targets = [
        Target("mood", "single_label_classification", label_names=("bad", "good")),
        Target("topics", "multi_label_classification", label_names=("rain", "sun", "tea")),
        Target("stars", "regression", mean=3.0, sd=2.0),
    ]
    lacking = {"allow_missing_modalities": True, "use_knowledge": True, "readout": "relation"}
    listed = [one.to_dict() for one in targets]
    directory = save(tmp_path / "model", tiny_bert_dir, tiny_vit_dir, targets=listed, **lacking)
    # The learnt tokens are zeros in a new model.
    model = CLFAForClassification.from_pretrained(directory)
    with torch.no_grad():
        for token in model.clfa.missing.tokens.values():
            token.normal_()
    model.save_pretrained(directory)
    report = export_onnx(directory, tmp_path / "exported")
    knowledge = ["knowledge_input_ids", "knowledge_attention_mask"]
    assert report.inputs == ["input_ids", "attention_mask", *knowledge, "pixel_values", "image_index"]
    assert report.max_difference < 1e-4
    pairs = [(row["text"], str(tmp_path / row["image"])) for row in make_posts(tmp_path, 8)]
    texts, pictures = [(text, None) for text, _ in pairs[:3]], [("", picture) for _, picture in pairs[3:6]]
    several = [
        (text, [picture, pictures[0][1]], note) for (text, picture), note in zip(pairs[:2], ("a sign", ""), strict=True)
    ]
    # Batches of texts, of pictures, of both, of several pictures with knowledge, and of everything; one post by itself.
    everything = [*texts, *pictures, *pairs, *several]
    kinds: dict[str, list[Any]] = {"texts": texts, "pictures": pictures, "both": pairs[6:], "several": several}
    kinds |= {"mixed": everything, "one": texts[:1], "one of several": several[:1]}
    plain = PostClassifier.load(directory)
    for engine, (name, rows) in product(EXPORT_ENGINES, kinds.items()):
        exported = PostClassifier.load(tmp_path / "exported", engine=engine)
        posts = [Post(*row) for row in rows]
        for (text, picture, *_), a, b in zip(rows, plain(posts), exported(posts), strict=True):
            assert (a.error, b.error) == (None, None), (engine, name)
            np.testing.assert_allclose(b.embedding, a.embedding, atol=1e-4)
            assert {one: found.value for one, found in b.targets.items() if one != "stars"} == {
                one: found.value for one, found in a.targets.items() if one != "stars"
            }
            assert b.targets["stars"].value == pytest.approx(a.targets["stars"].value, abs=1e-3)
            for target in ("mood", "topics"):
                assert b.targets[target].probabilities == pytest.approx(a.targets[target].probabilities, abs=1e-4)
            assert (a.agreement is None) == (b.agreement is None) == (not text or picture is None)
    # What is missing has an effect, and a post with nothing is an error.
    full, alone = exported([Post(*pairs[0]), Post(pairs[0][0], None)])
    assert abs(full.embedding - alone.embedding).max() > 0.01
    noted, silent = exported([Post(*several[0]), Post(*several[0][:2])])
    assert abs(noted.embedding - silent.embedding).max() > 0.001
    assert exported([Post("", None)])[0].error == plain([Post("", None)])[0].error == "missing image"
    for given in (["--text", texts[0][0]], ["--image", pictures[0][1]]):
        assert_one_post(directory, tmp_path / "exported", given)


@pytest.mark.parametrize("modality", ["text", "both"])
def test_a_blend_that_reads_terms(modality: str, tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path: Path) -> None:
    rows = [Post(row["text"], str(tmp_path / row["image"])) for row in make_posts(tmp_path, 9)]
    vision = tiny_vit_dir if modality == "both" else None
    terms = Terms.fit([row.text for row in rows])
    wide: dict[str, Any] = {"blended": True, "wide": True, "num_terms": len(terms), "num_members": 2}
    directory = save(tmp_path / "model", tiny_bert_dir, vision, **wide)
    model = CLFAForClassification.from_pretrained(directory)
    assert model.blend is not None
    assert model.blend.wide is not None
    for values in model.blend.wide.buffers():
        values.copy_(torch.randn(values.shape))
    model.save_pretrained(directory)
    processor = CLFAProcessor.from_pretrained(directory)
    processor.terms = terms
    processor.save_pretrained(directory)
    plain = PostClassifier.load(directory)
    report = export_onnx(directory, tmp_path / "exported")
    pixels = ["pixel_values", "image_index"] if modality == "both" else []
    assert report.inputs == ["input_ids", "attention_mask", "term_ids", "term_weights", *pixels]
    assert report.max_difference < 1e-4
    exported = PostClassifier.load(tmp_path / "exported", engine="onnx")
    assert exported.processor.terms == terms
    # A text without a known term; one with many terms; no text.
    rows += [Post("zzz", rows[0].image), Post(f"{rows[0].text} {rows[1].text}", rows[1].image), Post("", rows[2].image)]
    found = plain(rows)
    for size in (1, 4, 32):
        exported.batch_size = size
        for a, b in zip(found, exported(rows), strict=True):
            assert b.probabilities == pytest.approx(a.probabilities, abs=1e-4)
    assert [one.error for one in found[-3:]] == [None, None, "empty text"]
    # Terms have an effect, also in the exported model.
    images = None if vision is None else [rows[0].image]
    inputs = dict(processor(text=[rows[0].text], images=images, return_tensors="np"))
    without = {**inputs, "term_weights": np.zeros_like(inputs["term_weights"])}
    for runtime in (plain.runtime, exported.runtime):
        assert abs(runtime(inputs).logits - runtime(without).logits).max() > 0.01


def test_the_command_line(run: Path, posts: Any, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "posts.csv", posts)
    shown = {}
    for engine in ("torch", "onnx"):
        output = tmp_path / f"{engine}.jsonl"
        arguments = ["predict", run, source, "--output", output, "--engine", engine, "--batch-size", "4"]
        result = runner.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        shown[engine] = read_jsonl(output)
    for a, b in zip(shown["torch"], shown["onnx"], strict=True):
        assert (a["id"], a["prediction"], a.get("error")) == (b["id"], b["prediction"], b.get("error"))
        assert b.get("probabilities") == (a.get("probabilities") and pytest.approx(a["probabilities"], abs=1e-4))


ONE_POST = """
import sys
from clfa.cli.main import main
sys.argv = ["clfa", *sys.argv[1:]]
try:
    main()
finally:
    print("torch" in sys.modules)
"""


def assert_one_post(model: Path, exported: Path, post: list[str]) -> None:
    """Check that the answer for one post is PyTorch's, without an import of PyTorch."""
    command = [sys.executable, "-c", ONE_POST, "predict", str(exported), *post, "--engine", "onnx"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    arguments = ["predict", str(model), *post, "--engine", "torch"]
    expected = runner.invoke(app, arguments, catch_exceptions=False).output
    assert (done.stdout, done.stderr) == (expected + "False\n", "")


def test_one_post_needs_no_pytorch(run: Path, posts: Any, tmp_path: Path) -> None:
    assert_one_post(run, run, ["--image", str(tmp_path / posts[0]["image"]), "--text", posts[0]["text"]])


def test_the_export_command(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def exported(path: str, output: Path, **options: Any) -> ExportReport:
        asked.append((path, output, options["precision"], options["calibration"]))
        return ExportReport(2.5e-7, 5, 12.34, [], {})

    monkeypatch.setattr(onnx_export, "export_onnx", exported)
    result = runner.invoke(app, ["export", "onnx", str(run)], catch_exceptions=False)
    assert asked == [(str(run), run / "onnx", "fp32", None)]
    assert "12.3 MB; largest difference from PyTorch 2.5e-07 over 5 batches" in result.output


def test_fingerprints(run: Path) -> None:
    plain, exported = PostClassifier.load(run).fingerprint, PostClassifier.load(run, engine="onnx").fingerprint
    assert PostClassifier.load(run).fingerprint == plain != exported
    assert PostClassifier.load(run / "onnx", engine="onnx").fingerprint == exported
    assert PostClassifier.load(run, precision="bf16").fingerprint not in (plain, exported)
    other = PostClassifier.load(run)
    with torch.no_grad():
        other.model.classifier.bias[0] += 1e-6
    assert other.fingerprint != plain
    shorter = PostClassifier.load(run)
    shorter.processor.max_length -= 1
    assert shorter.fingerprint != plain


# Errors.


def test_models_that_cannot_be_exported(
    tiny_bert_dir: Path, tiny_vit_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = save(tmp_path / "plain", tiny_bert_dir, tiny_vit_dir)

    def fails(*args: Any, **kwargs: Any) -> None:
        # As the exporter: the steps are errors that were raised from the first one.
        try:
            raise ValueError("\nThese conflict:\nbranch on u0.\nmore")
        except ValueError as error:
            raise RuntimeError("Failed to export. \x1b[96mThis is step 1/3\x1b[0m") from error

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(
        ModelError,
        match=r"this model \(fusion cross_attention\) cannot be exported to ONNX: These conflict: branch on u0\. P",
    ):
        export_onnx(plain, tmp_path / "exported")
    assert {path.name for path in tmp_path.iterdir()} == {"plain"}


def test_a_difference_is_an_error(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copied(model: Any, processor: Any, path: Path) -> None:
        shutil.copy(run / "onnx" / "model.onnx", path)
        with torch.no_grad():
            model.classifier.bias += 0.01

    monkeypatch.setattr(onnx_export, "_export", copied)
    with pytest.raises(ModelError, match=r"differ from PyTorch's by 0\.01, more than 0\.001"):
        export_onnx(run, tmp_path / "exported")
    assert list(tmp_path.iterdir()) == []


def test_places_that_are_no_export(run: Path, tiny_vit_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no exported model; make one with `clfa export onnx RUN`"):
        PostClassifier.load(tiny_vit_dir, engine="onnx")
    with pytest.raises(ModelError, match="exists and holds no export"):
        export_onnx(run, tmp_path)
    with pytest.raises(ModelError, match=r"precision=.bf16. is not for engine .onnx.; it takes auto, fp32"):
        PostClassifier.load(run, engine="onnx", precision="bf16")
    broken = tmp_path / "broken"
    shutil.copytree(run / "onnx", broken)
    (broken / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"model.onnx cannot be loaded by ONNX Runtime"):
        PostClassifier.load(broken, engine="onnx")


def test_packages_that_are_not_there(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(ModelError, match=r"the export needs onnxscript; pip install 'clfa\[onnx\]'"):
        export_onnx(run, tmp_path / "exported")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"ONNX Runtime is not installed; pip install 'clfa\[onnx-runtime\]'"):
        PostClassifier.load(run, engine="onnx")
