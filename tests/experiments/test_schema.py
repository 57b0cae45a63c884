from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clfa.errors import RecipeError
from clfa.experiments import Experiment, experiment_names, load_experiment, plan_runs
from clfa.experiments.schema import DataPart
from clfa.modeling.fusion import FUSIONS

ROWS = [{"name": "a", "recipe": "offline"}]


def written(folder: Path, **content: Any) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"rows": ROWS, **content}), encoding="utf-8")
    return path


def test_ranges_and_numbers_mix() -> None:
    assert DataPart.model_validate({"folds": ["1..3", 7, "9..10"]}).folds == [1, 2, 3, 7, 9, 10]
    assert DataPart.model_validate({"folds": "2..4"}).folds == [2, 3, 4]
    assert Experiment.model_validate({"name": "x", "rows": ROWS, "seeds": 5}).seeds == [5]


def test_name_is_the_file_s_and_the_data_directory_can_be_given(tmp_path: Path) -> None:
    experiment = load_experiment(written(tmp_path), data_dir="2024")
    assert (experiment.name, experiment.data.dir) == ("mine", "2024")
    assert plan_runs(experiment)[0].recipe.data.dir == "2024"


def test_recipes_are_found_beside_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("name: own\nmodel: {alpha: 0.25}\n", encoding="utf-8")
    experiment = load_experiment(written(tmp_path, rows=[{"name": "a", "recipe": "own.yaml"}]))
    assert plan_runs(experiment)[0].recipe.model.alpha == 0.25


def test_saved_experiments_read_back_equal(tmp_path: Path) -> None:
    path = written(tmp_path, matrix={"model.alpha": {"none": 0, "some": 0.5}}, seeds=["1..3"])
    experiment = load_experiment(path)
    experiment.save(tmp_path / "again.yaml")
    assert load_experiment(tmp_path / "again.yaml") == experiment


def test_every_experiment_of_the_package_plans() -> None:
    assert {"smoke", "mvsa-comparison"} <= set(experiment_names())
    for name in experiment_names():
        assert plan_runs(load_experiment(name, data_dir="somewhere"))


def test_what_the_comparison_compares() -> None:
    runs = plan_runs(load_experiment("mvsa-comparison", data_dir="somewhere"))
    rows = runs[: len(runs) // 10]
    assert [run.fold for run in runs[:: len(rows)]] == list(range(1, 11))
    fusions = {run.recipe.model.fusion for run in rows}
    assert fusions == set(FUSIONS.names())
    for fusion in fusions:
        alphas = {run.recipe.model.alpha for run in rows if run.recipe.model.fusion == fusion}
        assert {0, 0.1} <= alphas, fusion
    swept = {run.recipe.model.alpha for run in rows if run.recipe.model.fusion == "cross_attention"}
    assert swept == {0, 0.1, 0.2, 0.5, 1, 2, 5}
    assert {run.recipe.model.num_fusion_layers for run in rows} == {1, 2, 3, 4, 5}
    assert {"guided", "cross_guided", "students"} <= {run.recipe.model.alignment for run in rows}
    assert {run.recipe.model.negatives for run in rows} == {"batch", "bank"}


def test_guided_is_tested_against_both_controls_for_every_fusion() -> None:
    experiment = load_experiment("flickr8k-fusions", data_dir="somewhere")
    runs = {run.row: run.recipe for run in plan_runs(experiment)}
    assert {recipe.model.fusion for recipe in runs.values()} == set(FUSIONS.names())
    assert len(runs) == 30
    against: dict[str, list[str]] = {}
    for first, second in experiment.compare:
        assert runs[first].guided
        assert not runs[first].guide.shuffle
        assert runs[first].model.fusion == runs[second].model.fusion
        kind = "shuffled" if runs[second].guided and runs[second].guide.shuffle else "alpha 0"
        assert runs[second].model.alpha == (2 if kind == "shuffled" else 0)
        against.setdefault(runs[first].model.fusion, []).append(kind)
    assert against == {name: ["alpha 0", "shuffled"] for name in FUSIONS.names()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"basline_row": "a"}, "unknown key 'basline_row'. Did you mean 'baseline_row'?"),
        ({"data": {"fold": [1]}}, "unknown key 'data.fold'. Did you mean 'folds'?"),
        (
            {"rows": [{"name": "a", "recipe": "offline", "override": []}]},
            "unknown key 'rows.0.override'. Did you mean 'overrides'?",
        ),
        ({"seeds": ["3..1"]}, "'3..1' is not a range"),
        ({"seeds": [1, 1]}, "repeated: 1"),
        ({"rows": [{"name": "a"}]}, "row 'a' has no recipe"),
        ({"keep": "all"}, "keep: Input should be 'metrics' or 'model' (got 'all')"),
        ({"compare": [["a"]]}, "compare.0: List should have at least 2 items"),
        ({"rows": []}, "rows: List should have at least 1 item"),
    ],
)
def test_wrong_keys_and_values_are_named(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as error:
        load_experiment(written(tmp_path, **content))
    assert message in str(error.value)
    assert "mine.yaml" in str(error.value)


def test_no_experiment_no_yaml_no_mapping(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no experiment 'nothing'; give a YAML file or one of: .*smoke"):
        load_experiment("nothing")
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(RecipeError, match="is not valid YAML"):
        load_experiment(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("[1]", encoding="utf-8")
    with pytest.raises(RecipeError, match="is not an experiment; its top level needs the keys name, rows"):
        load_experiment(tmp_path / "list.yaml")
