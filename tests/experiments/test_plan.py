from __future__ import annotations

from typing import Any

import pytest

from clfa.errors import RecipeError
from clfa.experiments import Experiment, plan_runs, select_rows
from clfa.experiments.plan import check_plan, plan_rows, slugify


def experiment(**content: Any) -> Experiment:
    base: dict[str, Any] = {"name": "x", "recipe": "offline", "rows": [{"name": "CLFA"}]}
    return Experiment.model_validate({**base, **content})


def test_matrix_multiplies_rows() -> None:
    rows = plan_rows(
        experiment(
            rows=[{"name": "text", "matrix": {}, "group": "one"}, {"name": "both", "overrides": ["model.beta=2"]}],
            matrix={
                "model.fusion": ["concat", "sum"],
                "guide": {"free": {"name": "none"}, "guided": ["guide.name=clip", "model.alpha=0.5"]},
            },
        )
    )
    assert [(row.name, row.overrides) for row in rows] == [
        ("text", []),
        ("both, fusion concat, free", ["model.beta=2", 'model.fusion="concat"', 'guide={"name": "none"}']),
        (
            "both, fusion concat, guided",
            ["model.beta=2", 'model.fusion="concat"', "guide.name=clip", "model.alpha=0.5"],
        ),
        ("both, fusion sum, free", ["model.beta=2", 'model.fusion="sum"', 'guide={"name": "none"}']),
        ("both, fusion sum, guided", ["model.beta=2", 'model.fusion="sum"', "guide.name=clip", "model.alpha=0.5"]),
    ]
    assert [row.group for row in rows] == ["one", None, None, None, None]


def test_seeds_are_outermost_then_folds_then_rows() -> None:
    runs = plan_runs(
        experiment(data={"folds": [1, 2]}, seeds=[7, 8], matrix={"model.alpha": [0, 1]}, rows=[{"name": "r"}])
    )
    assert [(run.seed, run.fold, run.recipe.model.alpha) for run in runs] == [
        (seed, fold, alpha) for seed in (7, 8) for fold in (1, 2) for alpha in (0, 1)
    ]
    assert len({run.slug for run in runs}) == 8
    assert runs[0].label == "r, alpha 0, fold 1, seed 7"


def test_overrides_of_the_experiment_come_first_and_data_replaces_the_recipe_s() -> None:
    content: dict[str, Any] = {
        "data": {"dir": "d", "reader": "mmsd", "limit": 9, "options": {"knowledge": ["ocr"]}},
        "overrides": ["model.alpha=3", "training.epochs=2"],
        "rows": [{"name": "r", "overrides": ["model.alpha=4"]}],
    }
    recipe = plan_runs(experiment(**content))[0].recipe
    assert (recipe.model.alpha, recipe.training.epochs) == (4, 2)
    assert recipe.data.model_dump() == {
        "reader": "mmsd",
        "dir": "d",
        "fold": None,
        "limit": 9,
        "options": {"knowledge": ["ocr"]},
    }


@pytest.mark.parametrize(
    ("alignment", "kept"), [("first", [True, False, False, False]), ("all", [True] * 4), ("none", [False] * 4)]
)
def test_alignment_is_kept_for_the_runs_asked_for(alignment: str, kept: list[bool]) -> None:
    runs = plan_runs(experiment(alignment=alignment, data={"folds": [3, 4]}, seeds=[1, 2]))
    assert [run.recipe.training.save_alignment for run in runs] == kept


def test_folders_follow_settings_and_not_names() -> None:
    def slug(**content: Any) -> str:
        return plan_runs(experiment(**content))[0].slug

    assert slug().startswith("clfa-seed1-")
    assert slug() == slug(description="other words", keep="model", seeds=[1, 2])
    assert slug() != slug(overrides=["model.alpha=2"])
    assert slug() != slug(score_test=True)
    assert slug() != slug(data={"dir": "elsewhere"})
    assert slug() == slug(overrides=["training.max_grad_norm=1.0"]), "said or not, it is the default"
    assert slugify("CLFA, α 0.5 / no*guide") == "clfa-0.5-no-guide"
    assert slugify("../..") == "row"


def test_rows_are_chosen_by_name_or_pattern() -> None:
    runs = plan_runs(experiment(matrix={"model.alpha": [0, 1, 2]}))
    assert [run.row for run in select_rows(runs, ["CLFA, alpha 1"])] == ["CLFA, alpha 1"]
    assert len(select_rows(runs, ["CLFA*"])) == len(select_rows(runs, [])) == 3
    with pytest.raises(RecipeError, match=r"no row matches 'CLFA, alpa 1'. Did you mean 'CLFA, alpha 1'"):
        select_rows(runs, ["CLFA, alpa 1"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"rows": [{"name": "a"}, {"name": "a"}]}, "two rows are called 'a'"),
        ({"baseline_row": "CLFB"}, "there is no row 'CLFB' to compare with. Did you mean 'CLFA'"),
        ({"compare": [["CLFA", "other"]]}, "there is no row 'other'"),
        ({"matrix": {"model.alpha": []}}, "matrix: model.alpha has no values"),
        ({"overrides": ["model.alfa=1"]}, "row 'CLFA': .*unknown key 'model.alfa'. Did you mean 'alpha'"),
        ({"rows": [{"name": "r", "recipe": "nowhere"}]}, "row 'r': no recipe 'nowhere'"),
    ],
)
def test_wrong_plans(content: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        plan_runs(experiment(**content))


def test_names_of_parts_are_checked_before_anything_runs() -> None:
    check_plan(plan_runs(experiment()))
    with pytest.raises(RecipeError, match="row 'CLFA': unknown fusion 'glue'"):
        check_plan(plan_runs(experiment(overrides=["model.fusion=glue"])))
