"""Run folders, models and caches of revision 9d99400 load, and give what they gave then.

When one of these tests fails, users' folders no longer load or give other answers: mend the code, not the fixture.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import transformers
import yaml
from golden_comparison import assert_like
from golden_observe import observe_evaluation, observe_run
from golden_old_runs import RUNS, build_cache, build_run, read_fixture, write_posts
from safetensors.numpy import load_file

from clfa import CLFAForClassification, CLFAProcessor, load_recipe

# The same weights and pictures on another processor differ by far less.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def fixture() -> dict[str, Any]:
    return read_fixture()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, fixture: dict[str, Any]) -> Path:
    """``runs/label``, ``runs/targets``, ``runs/knowledge``, ``posts`` and a lexicon."""
    folder = tmp_path_factory.mktemp("old")
    write_posts(folder)
    for name in RUNS:
        build_run(folder, name, fixture)
    return folder


@pytest.fixture
def place(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of ``built`` as working directory, with a cache of its own: the recipes name relative paths."""
    folder = tmp_path / "old"
    shutil.copytree(built, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CLFA_CACHE", "cache")
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_predictions_are_those_of_then(name: str, place: Path, fixture: dict[str, Any]) -> None:
    expected = fixture["runs"][name]["expected"]
    assert_like(observe_run(name), expected, tolerance=TOLERANCE)
    # Equality says something: the posts' answers differ.
    first = [row[0] for row in expected["predict_proba"] if row[0] is not None]
    assert max(first) - min(first) > 0.03


@pytest.mark.parametrize("name", RUNS)
def test_saved_again_a_model_has_the_same_tensors_and_settings(name: str, place: Path, fixture: dict[str, Any]) -> None:
    old, new = place / "runs" / name / "model", place / "again"
    CLFAForClassification.from_pretrained(old).save_pretrained(new)
    CLFAProcessor.from_pretrained(old).save_pretrained(new)
    before, after = load_file(old / "model.safetensors"), load_file(new / "model.safetensors")
    assert before.keys() == after.keys()
    for tensor, shape in fixture["runs"][name]["tensors"].items():
        assert after[tensor].shape == tuple(shape)
        assert (before[tensor] == after[tensor]).all(), tensor
    for file in ("config.json", "processor_config.json"):
        written, again = (json.loads((folder / file).read_text(encoding="utf-8")) for folder in (old, new))
        for content in (written, again):
            # Transformers' own; its Trainer adds the second.
            for key in ("transformers_version", "use_cache", "text_config", "vision_config"):
                content.pop(key, None)
        assert_like(again, written, more_keys=True, tolerance=0)


@pytest.mark.parametrize("name", RUNS)
def test_a_recipe_says_what_it_said(name: str, place: Path) -> None:
    path = place / "runs" / name / "recipe.yaml"
    load_recipe(path).save(place / "again.yaml")
    written, again = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in (path, place / "again.yaml"))
    assert_like(again, written, more_keys=True, tolerance=0)


def test_an_evaluation_gives_the_metrics_of_then(place: Path, fixture: dict[str, Any]) -> None:
    found = observe_evaluation("label")
    # Features are cached in half precision, whose last bit another processor may round otherwise.
    assert_like(found, fixture["runs"]["label"]["evaluation"], more_keys=True, tolerance=2e-3)


def test_the_feature_cache_of_then_is_found(place: Path, fixture: dict[str, Any]) -> None:
    if transformers.__version__ != fixture["transformers"]:
        pytest.skip("cache names depend on how this release of Transformers describes an image processor")
    # Other features than the encoders', so that whoever computes them anew gives other answers.
    build_cache(place / "cache", fixture)
    expected = fixture["runs"]["label"]["evaluation from the cache"]
    plain = fixture["runs"]["label"]["evaluation"]
    gaps = [
        abs(a["probabilities"]["bad"] - b["probabilities"]["bad"])
        for a, b in zip(expected["predictions"], plain["predictions"], strict=True)
    ]
    assert max(gaps) > 0.3
    assert_like(observe_evaluation("label"), expected, more_keys=True, tolerance=TOLERANCE)
    stores = {file.parent.relative_to("cache").as_posix() for file in Path("cache/features").rglob("index.npz")}
    assert stores == fixture["stores"].keys()


@pytest.mark.parametrize(("old", "new"), [("classifier.weight", "head.weight"), ("clfa.text_projection.fc1.bias", "x")])
def test_these_tests_notice_a_renamed_tensor(old: str, new: str, place: Path) -> None:
    from safetensors.numpy import save_file

    from clfa import CLFAPredictor
    from clfa.errors import ModelError

    path = place / "runs" / "label" / "model" / "model.safetensors"
    tensors = load_file(path)
    tensors[new] = tensors.pop(old)
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(ModelError, match=f"1 tensors are missing, '{old}' first"):
        CLFAPredictor.load("runs/label")
