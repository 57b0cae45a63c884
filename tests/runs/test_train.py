from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from clfa.errors import RecipeError
from clfa.modeling import CLFAForClassification
from clfa.modeling.encoders import load_encoder
from clfa.recipe import Recipe, load_recipe
from clfa.runs import score as score_module
from clfa.runs.train import train
from clfa.training import CLFATrainer
from posts import LABELS, make_posts, read_jsonl, write_csv

MakeRecipe = Callable[..., Recipe]


def metrics_of(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return content


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model" / "model.safetensors")


# What a run leaves behind.


def test_run_folder_is_complete(tiny_run: Path, posts_csv: Path) -> None:
    assert {path.name for path in tiny_run.iterdir()} >= {
        "recipe.yaml",
        "model",
        "metrics.json",
        "predictions-validation.jsonl",
        "predictions-test.jsonl",
        "dropped.jsonl",
        "confusion-validation.png",
        "confusion-test.png",
        "learning-curves.png",
        "history.json",
        "checkpoints",
    }
    assert (tiny_run / "model" / "model.safetensors").is_file()
    assert (tiny_run / "model" / "config.json").is_file()
    assert not list((tiny_run / "model").glob("*.bin"))
    assert not list(tiny_run.glob(".*"))
    for path in tiny_run.glob("*.png"):
        with Image.open(path) as picture:
            picture.load()
            assert picture.width > 200
    assert list((tiny_run / "checkpoints" / "runs").rglob("events.out.tfevents.*"))
    recipe = load_recipe(tiny_run / "recipe.yaml")
    assert recipe.data.dir == str(posts_csv)
    assert recipe.training.epochs == 2
    model = CLFAForClassification.from_pretrained(tiny_run / "model")
    assert model.config.label_names == list(LABELS)


def test_metrics_are_those_of_the_predictions(tiny_run: Path) -> None:
    metrics = metrics_of(tiny_run)
    for split in ("validation", "test"):
        rows = read_jsonl(tiny_run / f"predictions-{split}.jsonl")
        labels, predictions = ([LABELS.index(row[name]) for row in rows] for name in ("label", "prediction"))
        assert len(rows) == metrics[split]["samples"] == 16
        assert metrics[split]["accuracy"] == pytest.approx(accuracy_score(labels, predictions))
        assert metrics[split]["macro_f1"] == pytest.approx(f1_score(labels, predictions, average="macro"))
        assert metrics[split]["weighted_f1"] == pytest.approx(f1_score(labels, predictions, average="weighted"))
        assert metrics[split]["binary_f1"] == pytest.approx(f1_score(labels, predictions))
        assert metrics[split]["confusion_matrix"] == confusion_matrix(labels, predictions, labels=[0, 1]).tolist()
        for row in rows:
            assert sum(row["probabilities"].values()) == pytest.approx(1, abs=2e-6)
            assert row["prediction"] == max(row["probabilities"], key=row["probabilities"].get)
    assert metrics["training"]["best_validation_macro_f1"] == pytest.approx(metrics["validation"]["macro_f1"])


def test_metrics_say_what_the_run_was(tiny_run: Path) -> None:
    metrics = metrics_of(tiny_run)
    assert (metrics["recipe"], metrics["seed"], metrics["fold"]) == ("offline", 2022, None)
    assert metrics["data"] == {
        "name": "posts",
        "samples": {"train": 32, "validation": 16, "test": 16},
        "dropped": {},
    }
    assert (metrics["guide"]["name"], metrics["guide"]["dim"]) == ("clip", 12)
    assert metrics["guide"]["validation_retrieval"]["candidates"] == 16
    assert metrics["training"]["epochs_run"] == 2
    model = CLFAForClassification.from_pretrained(tiny_run / "model")
    assert metrics["training"]["parameters"] == sum(p.numel() for p in model.parameters())
    head = sum(p.numel() for name, p in model.named_parameters() if "_encoder." not in name)
    assert metrics["training"]["trained_parameters"] == head
    assert metrics["resources"]["seconds_total"] > 0
    assert 50 < metrics["resources"]["peak_memory_mb"] < 20_000
    assert metrics["versions"]["torch"] == torch.__version__
    history = json.loads((tiny_run / "history.json").read_text())
    scores = [entry["eval_macro_f1"] for entry in history if "eval_macro_f1" in entry]
    assert metrics["training"]["best_validation_macro_f1"] == max(scores)
    assert metrics["training"]["best_epoch"] == 1 + scores.index(max(scores))
    assert [set(entry) >= {"loss_text_alignment", "loss_image_alignment"} for entry in history if "loss" in entry]


def test_frozen_encoders_stay_as_they_were(tiny_run: Path, tiny_bert_dir: Path, tiny_vit_dir: Path) -> None:
    trained = CLFAForClassification.from_pretrained(tiny_run / "model").clfa
    for found, original in (
        (trained.text_encoder, load_encoder(tiny_bert_dir, "text")),
        (trained.vision_encoder, load_encoder(tiny_vit_dir, "vision")),
    ):
        assert found.state_dict().keys() == original.state_dict().keys()
        for name, tensor in original.state_dict().items():
            assert torch.equal(found.state_dict()[name], tensor), name


def test_the_test_split_is_scored_once_or_not_at_all(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = []
    original = score_module.infer

    def counted(model: Any, dataset: Any, **options: Any) -> Any:
        scored.append(sorted(dataset.split["id"])[0])
        return original(model, dataset, **options)

    monkeypatch.setattr(score_module, "infer", counted)
    seen_in_training = []
    evaluate = CLFATrainer.evaluate

    def watched(self: CLFATrainer, *args: Any, **kwargs: Any) -> Any:
        seen_in_training.append(self.eval_dataset.split["id"][:])  # type: ignore[union-attr]
        return evaluate(self, *args, **kwargs)

    monkeypatch.setattr(CLFATrainer, "evaluate", watched)
    recipe = tiny_recipe(posts_csv, "model.alpha=0")
    validation, test = (
        sorted(post["id"] for post in make_posts(tmp_path / "unused") if post["split"] == split)
        for split in ("validation", "test")
    )
    with_test = train(recipe, tmp_path / "with")
    # The validation split is read for the temperature, too.
    assert scored == [validation[0], validation[0], test[0]]
    assert [sorted(ids) for ids in seen_in_training] == [validation] * 2
    assert with_test.metrics["test"]["samples"] == 16
    scored.clear()
    without = train(recipe, tmp_path / "without", score_test=False)
    assert scored == [validation[0]] * 2
    assert "test" not in without.metrics
    assert not list((tmp_path / "without").glob("*test*"))
    assert without.metrics["validation"] == with_test.metrics["validation"]


# Seeds, caches, resuming.

TUNED = (
    "model.freeze_text_encoder=false",
    "model.freeze_vision_encoder=false",
    "model.hidden_dropout_prob=0.2",
    "training.learning_rate=1e-3",
    "training.encoder_learning_rate=1e-3",
    "training.epochs=3",
)


class Killed(Exception):
    pass


def test_a_resumed_run_equals_an_uninterrupted_one(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(posts_csv, *TUNED)
    whole = train(recipe, tmp_path / "whole")
    compute_loss = CLFATrainer.compute_loss

    def killed(self: CLFATrainer, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == 6:  # in the middle of epoch 2
            raise Killed
        return compute_loss(self, *args, **kwargs)

    monkeypatch.setattr(CLFATrainer, "compute_loss", killed)
    with pytest.raises(Killed):
        train(recipe, tmp_path / "killed")
    monkeypatch.setattr(CLFATrainer, "compute_loss", compute_loss)
    assert not (tmp_path / "killed" / "metrics.json").exists()
    # Half of a newer checkpoint, as a run killed while writing it leaves.
    half = tmp_path / "killed" / "checkpoints" / "checkpoint-8"
    half.mkdir()
    (half / "config.json").write_text("{}")
    with pytest.raises(RecipeError, match=r"already holds an unfinished run \(resume=True continues it\)"):
        train(recipe, tmp_path / "killed")
    with pytest.raises(RecipeError, match="holds a run of another recipe; resume=True needs the same one"):
        train(tiny_recipe(posts_csv, *TUNED, "seed=3"), tmp_path / "killed", resume=True)

    # Moved meanwhile: its checkpoints have the old path of the best one.
    (tmp_path / "killed").rename(tmp_path / "moved")
    resumed = train(recipe, tmp_path / "moved", resume=True)
    assert not (tmp_path / "killed").exists()
    expected, found = weights_of(tmp_path / "whole"), weights_of(tmp_path / "moved")
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-6, rtol=0, msg=name)
    for part in ("training", "validation", "test"):
        assert resumed.metrics[part] == whole.metrics[part], part
    losses = [json.loads((tmp_path / run / "history.json").read_text())[-1] for run in ("whole", "moved")]
    assert losses[0]["train_loss"] == losses[1]["train_loss"]
    # A finished run is not trained again, nor passed off as another recipe's.
    assert train(recipe, tmp_path / "moved", resume=True).metrics == resumed.metrics
    with pytest.raises(RecipeError, match="holds a run of another recipe"):
        train(tiny_recipe(posts_csv, *TUNED, "seed=3"), tmp_path / "moved", resume=True)
    with pytest.raises(RecipeError, match="already holds a finished run; give another output"):
        train(recipe, tmp_path / "moved")


def test_resume_without_a_run_starts_one(tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path) -> None:
    result = train(tiny_recipe(posts_csv, "training.epochs=1"), tmp_path / "run", resume=True)
    assert result.metrics["training"]["epochs_run"] == 1


def test_the_seed_decides(tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path) -> None:
    runs = {}
    for name, seed in (("first", 1), ("same", 1), ("other", 2)):
        recipe = tiny_recipe(posts_csv, "training.epochs=1", "model.classifier_dropout=0.3", f"seed={seed}")
        train(recipe, tmp_path / name)
        runs[name] = weights_of(tmp_path / name)["classifier.weight"]
    assert torch.equal(runs["first"], runs["same"])
    assert not torch.allclose(runs["first"], runs["other"])
    first, same = (read_jsonl(tmp_path / name / "predictions-test.jsonl") for name in ("first", "same"))
    assert first == same


def test_cached_features_give_the_same_training(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clfa.modeling import model as model_module

    calls = []
    encode = model_module.encode_image
    monkeypatch.setattr(model_module, "encode_image", lambda *args: calls.append(1) or encode(*args))
    probabilities = {}
    for cached in ("true", "false"):
        recipe = tiny_recipe(posts_csv, f"training.cache_features={cached}")
        train(recipe, tmp_path / cached, cache=tmp_path / "cache")
        rows = read_jsonl(tmp_path / cached / "predictions-test.jsonl")
        probabilities[cached] = np.array([list(row["probabilities"].values()) for row in rows])
        if cached == "true":
            assert not calls  # the model itself never ran its encoder
    assert calls
    # Token features are kept in half precision.
    np.testing.assert_allclose(probabilities["true"], probabilities["false"], atol=5e-3)
    assert probabilities["true"].std() > 0.01


def test_features_are_computed_once_for_all_runs(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clfa.modeling import frozen_encoder as features

    encoded = []
    encode = features.encode_image

    def counted(encoder: Any, pixels: torch.Tensor) -> torch.Tensor:
        encoded.append(len(pixels))
        return encode(encoder, pixels)

    monkeypatch.setattr(features, "encode_image", counted)
    train(tiny_recipe(posts_csv, "training.epochs=1"), tmp_path / "one", cache=tmp_path / "cache")
    assert sum(encoded) == 64
    train(tiny_recipe(posts_csv, "training.epochs=1", "seed=5"), tmp_path / "two", cache=tmp_path / "cache")
    assert sum(encoded) == 64


def test_a_guide_near_chance_is_a_loud_warning(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from clfa.guides.clip import CLIPGuide

    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(CLIPGuide, "embed_texts", lambda self, texts: np.zeros((len(texts), 12), np.float32))
        metrics = train(tiny_recipe(posts_csv, "training.epochs=1"), tmp_path / "run", cache=tmp_path / "cache").metrics
    assert "THE GUIDE IS NEAR CHANCE (text-to-image retrieval among 16" in caplog.text
    assert metrics["guide"]["validation_retrieval"]["near_chance"]
    assert "guide clip: text-to-image retrieval among 16" in caplog.text


# Shapes of runs.


@pytest.mark.parametrize(("absent", "present"), [("vision", "text"), ("text", "image")])
def test_one_modality(tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, absent: str, present: str) -> None:
    recipe = tiny_recipe(posts_csv, f"model.{absent}_encoder=null", "training.epochs=1")
    metrics = train(recipe, tmp_path / "run").metrics
    assert metrics["guide"] is None
    assert "student_retrieval" not in metrics["test"]
    model = CLFAForClassification.from_pretrained(tmp_path / "run" / "model")
    assert model.config.modalities == (present,)


def test_text_alone_does_not_open_pictures(tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "posts.csv", make_posts(tmp_path))
    shutil.rmtree(tmp_path / "images")
    recipe = tiny_recipe(table, "model.vision_encoder=null", "training.epochs=1")
    assert train(recipe, tmp_path / "run").metrics["data"]["dropped"] == {}


def test_fitted_guide_is_kept_with_the_run(tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path) -> None:
    guide = "guide={name: fitted, dim: 8, epochs: 3, text_components: 8, image_components: 8}"
    metrics = train(tiny_recipe(posts_csv, guide, "training.epochs=1"), tmp_path / "run").metrics
    assert (metrics["guide"]["name"], metrics["guide"]["dim"]) == ("fitted", 8)
    # A later run takes it from there.
    reuse = f"guide={{name: fitted, path: {tmp_path / 'run' / 'guide'}}}"
    again = train(tiny_recipe(posts_csv, reuse, "training.epochs=1"), tmp_path / "again").metrics
    assert again["guide"] == metrics["guide"]
    assert again["test"] == metrics["test"]


def test_knowledge_is_read_in_training_evaluation_and_prediction(tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    from clfa.prediction.post_classifier import PostClassifier
    from clfa.prediction.predict import predict_file

    rows = [{**row, "knowledge": "" if n % 3 else f"good dog {n}"} for n, row in enumerate(make_posts(tmp_path))]
    table = write_csv(tmp_path / "posts.csv", rows)
    recipe = tiny_recipe(table, "model.use_knowledge=true", "model.alpha=0")
    train(recipe, tmp_path / "run")
    scored = {row["id"]: row for row in read_jsonl(tmp_path / "run" / "predictions-test.jsonl")}
    predictor = PostClassifier.load(tmp_path / "run")
    predict_file(predictor, table, tmp_path / "with.jsonl")
    bare = write_csv(tmp_path / "bare.csv", [{k: row[k] for k in ("id", "text", "image")} for row in rows])
    predict_file(predictor, bare, tmp_path / "without.jsonl")
    found, without = (
        {row["id"]: row["probabilities"] for row in read_jsonl(tmp_path / name)}
        for name in ("with.jsonl", "without.jsonl")
    )
    for number, row in enumerate(rows):
        if row["id"] in scored:
            assert found[row["id"]] == pytest.approx(scored[row["id"]]["probabilities"], abs=2e-3)
        # Knowledge moves the posts that have some, and no others.
        assert (found[row["id"]] == pytest.approx(without[row["id"]], abs=1e-5)) == (number % 3 != 0)


def test_limit_and_pictures_at_an_address(tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    import fsspec

    rows = make_posts(tmp_path, 32)
    memory = fsspec.filesystem("memory")
    for row in rows:
        memory.pipe(f"/bucket/{row['image']}", (tmp_path / row["image"]).read_bytes())
    shutil.rmtree(tmp_path / "images")
    memory.rm(f"/bucket/{rows[0]['image']}")
    table = write_csv(tmp_path / "posts.csv", rows)
    recipe = tiny_recipe(table, "data.options.image_root=memory://bucket", "data.limit=6", "training.epochs=1")
    metrics = train(recipe, tmp_path / "run").metrics
    assert metrics["data"]["samples"] == {"train": 6, "validation": 6, "test": 6}
    assert metrics["data"]["dropped"] == {"missing image": 1}


# The paper's recipes, through the same code, on miniatures of the official layouts.


def mvsa_single(root: Path) -> Path:
    posts = make_posts(root / "source", 40)
    (root / "data").mkdir()
    lines = ["ID\ttext,image"]
    votes = ("positive,positive", "neutral,positive", "negative,negative", "neutral,neutral", "positive,negative")
    for number, post in enumerate(posts):
        shutil.copy(root / "source" / post["image"], root / "data" / f"{number}.jpg")
        (root / "data" / f"{number}.txt").write_bytes(f"{post['text']} …\r\n".encode("gb18030"))
        lines.append(f"{number}\t{votes[number % 5]}")
    (root / "labelResultAll.txt").write_text("\n".join(lines) + "\n")
    for fold in (1, 2):
        folder = root / "splits" / f"fold_{fold}"
        folder.mkdir(parents=True)
        ids = np.roll([n for n in range(40) if n % 5 != 4], 7 * fold).tolist()
        for name, part in (("train", ids[:20]), ("val", ids[20:26]), ("test", ids[26:])):
            (folder / f"{name}.txt").write_text("\n".join(map(str, part)) + "\n")
    shutil.rmtree(root / "source")
    return root


def mmsd(root: Path) -> Path:
    posts = make_posts(root / "source", 32)
    (root / "original").mkdir()
    (root / "dataset_image").mkdir()
    files: dict[str, list[str]] = {"train.txt": [], "valid2.txt": [], "test2.txt": []}
    names = {"train": "train.txt", "validation": "valid2.txt", "test": "test2.txt"}
    for number, post in enumerate(posts):
        shutil.copy(root / "source" / post["image"], root / "dataset_image" / f"{number}.jpg")
        tail = [number % 2] if post["split"] == "train" else [1 - number % 2, number % 2]
        files[names[post["split"]]].append(repr([str(number), post["text"], *tail]))
    files["train.txt"].append("['99', 'such irony', 1]")
    for name, lines in files.items():
        (root / "original" / name).write_text("\n".join(lines) + "\n")
    shutil.rmtree(root / "source")
    return root


@pytest.mark.parametrize(
    ("name", "make", "overrides", "samples", "dropped"),
    [
        (
            "paper-mvsa-single",
            mvsa_single,
            ["data.fold=2"],
            {"train": 20, "validation": 6, "test": 6},
            {"contradictory labels": 8},
        ),
        ("paper-mmsd", mmsd, [], {"train": 16, "validation": 8, "test": 8}, {"cue word": 1}),
    ],
)
def test_paper_recipes(
    tiny_bert_dir: Path,
    tiny_vit_dir: Path,
    tiny_clip_dir: Path,
    tmp_path: Path,
    name: str,
    make: Callable[[Path], Path],
    overrides: list[str],
    samples: dict[str, int],
    dropped: dict[str, int],
) -> None:
    """Encoders trained, 3 layers, 8 heads and all else as published; only widths, weights and epochs are small."""
    data = make(tmp_path)
    recipe = load_recipe(
        name,
        [
            f"data.dir={data}",
            f"model.text_encoder={tiny_bert_dir}",
            f"model.vision_encoder={tiny_vit_dir}",
            f"guide.model={tiny_clip_dir}",
            "model.hidden_size=16",
            "model.projection_hidden_size=32",
            "model.intermediate_size=32",
            "training.epochs=1",
            "training.precision=fp32",
            *overrides,
        ],
    )
    metrics = train(recipe, tmp_path / "run").metrics
    assert metrics["data"]["samples"] == samples
    assert metrics["data"]["dropped"] == dropped
    assert metrics["training"]["parameters"] == metrics["training"]["trained_parameters"]
    model = CLFAForClassification.from_pretrained(tmp_path / "run" / "model")
    assert model.config.num_fusion_layers == 3
    assert model.config.guide_dim == 12
    before = load_encoder(tiny_vit_dir, "vision").state_dict()
    after = model.clfa.vision_encoder.state_dict()
    assert any(not torch.equal(after[key], before[key]) for key in before)
