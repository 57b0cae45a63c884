from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from clfa.errors import CLFAError, DataError, RecipeError, TrainingError
from clfa.recipe import Recipe, load_recipe
from clfa.runs.data_record import DataRecord
from clfa.tuning import search

SPACE = [
    "tune.training.learning_rate={low: 1.0e-5, high: 1.0e-2, log: true}",
    "tune.training.epochs={low: 2, high: 8, step: 2}",
    "tune.model.fusion=[concat, gated]",
]


class Trainings:
    """In place of trainings: the score follows from the settings."""

    def __init__(self, stop_at: int | None = None, fail: bool = False) -> None:
        self.recipes: list[Recipe] = []
        self.stop_at, self.fail = stop_at, fail

    def __call__(
        self, recipe: Recipe, place: Path, *, score_test: bool, corpus: Any, callbacks: list[Any]
    ) -> SimpleNamespace:
        assert not score_test
        assert recipe.tune == {}
        self.recipes.append(recipe)
        if len(self.recipes) == self.stop_at:
            raise KeyboardInterrupt
        if self.fail or recipe.training.epochs == 2:
            raise TrainingError("the loss is not finite")
        score = recipe.training.epochs / 10 + (recipe.model.fusion == "gated") / 100
        args = SimpleNamespace(metric_for_best_model="macro_f1")
        state = SimpleNamespace(epoch=1.0, is_world_process_zero=True)
        callbacks[0].on_evaluate(args, state, None, {"eval_macro_f1": score})
        (place / "model").mkdir(parents=True)
        return SimpleNamespace(metrics={"validation": {"macro_f1": score}})


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("offline", SPACE)


def use(monkeypatch: pytest.MonkeyPatch, trainings: Trainings) -> Trainings:
    monkeypatch.setattr(search, "train", trainings)
    monkeypatch.setattr(search.Corpora, "get", lambda self, recipe: None)
    monkeypatch.setattr(search.Corpora, "record", lambda self, recipe: None)
    return trainings


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "trials.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_best_settings_are_found_and_written(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings, ended = use(monkeypatch, Trainings()), []
    found = search.tune(recipe, tmp_path / "out", 12, report=ended.append)
    assert len(trainings.recipes) == len(ended) == sum(found.states.values()) == 12
    best = load_recipe(found.path)
    assert best.tune == {}
    assert found.settings == {
        "training.learning_rate": best.training.learning_rate,
        "training.epochs": best.training.epochs,
        "model.fusion": best.model.fusion,
    }
    whole = [row for row in rows(tmp_path / "out") if row["state"] == "complete"]
    assert found.score == max(float(row["score"]) for row in whole)
    assert len(whole) == found.states["complete"]
    assert {one.training.epochs for one in trainings.recipes} <= {2, 4, 6, 8}
    assert all(1e-5 <= one.training.learning_rate <= 1e-2 for one in trainings.recipes)
    # From the sixth trial on, those below the median end after an epoch.
    assert found.states["pruned"] > 0
    assert not list((tmp_path / "out" / "trials").glob("*/model"))


def test_an_interrupted_search_goes_on(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = use(monkeypatch, Trainings(stop_at=3))
    with pytest.raises(KeyboardInterrupt):
        search.tune(recipe, tmp_path, 5)
    # What a killed process may leave of its journal.
    journal = tmp_path / "trials.journal"
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 6, "wor')
    (tmp_path / "trials.journal.lock").touch()
    second = use(monkeypatch, Trainings())
    search.tune(recipe, tmp_path, 5)
    assert len(second.recipes) == 3
    # The one that was interrupted comes first, with the same settings.
    assert second.recipes[0] == first.recipes[2]
    assert len({one.training.learning_rate for one in [*first.recipes, *second.recipes]}) == 5
    assert [row["trial"] for row in rows(tmp_path)] == list("012345")
    again = use(monkeypatch, Trainings())
    search.tune(recipe, tmp_path, 5)
    assert again.recipes == []
    with pytest.raises(RecipeError, match="holds a search of another recipe; give another output"):
        search.tune(recipe.model_copy(update={"seed": 1}), tmp_path, 5)


def test_what_is_refused(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="declares no space; add a section tune"):
        search.tune(load_recipe("offline"), tmp_path, 1)
    with pytest.raises(RecipeError, match=r"set training\.members=1"):
        search.tune(load_recipe("best", SPACE), tmp_path, 1)
    wrong = load_recipe("offline", ["tune.training.epochs={low: -1, high: 2}"])
    with pytest.raises(RecipeError, match=r"recipe offline with training\.epochs=-1"):
        search.tune(wrong, tmp_path, 1)
    with pytest.raises(CLFAError, match="no data: give"):
        search.tune(recipe, tmp_path / "none", 1)
    assert not (tmp_path / "none").exists()
    use(monkeypatch, Trainings(fail=True))
    with pytest.raises(RecipeError, match="none of 2 trials could be trained to the end: the loss is not finite"):
        search.tune(recipe, tmp_path / "out", 2)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tune.training.epochs={low: 3, high: 2}", "low 3 must be below high 2"),
        ("tune.training.learning_rate={low: 0, high: 1, log: true}", "log=true needs low above 0"),
        ("tune={data.fold: [1, 2]}", "'data.fold' cannot be searched; settings of model, knowledge, guide, training"),
        ("tune={seed: [1, 2]}", "'seed' cannot be searched"),
        ("tune={model.fusion: [concat]}", "at least 2 items"),
    ],
)
def test_impossible_spaces(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe("offline", [override])


@pytest.mark.slow
def test_real_trainings(tiny_overrides: list[str], posts_csv: Path, tmp_path: Path) -> None:
    space = ["tune={training.learning_rate: [1.0e-9, 1.0e-2]}", "guide.name=none", "training.yardsticks=false"]
    recipe = load_recipe("offline", [*tiny_overrides, "guide={name: none}", *space, f"data.dir={posts_csv}"])
    found = search.tune(recipe, tmp_path, 2)
    assert found.states == {"complete": 2, "pruned": 0, "fail": 0}
    assert (tmp_path / "trials" / "1" / "metrics.json").is_file()
    study = optuna.load_study(
        study_name="offline",
        storage=optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(tmp_path / "trials.journal"))
        ),
    )
    assert [sorted(trial.intermediate_values) for trial in study.trials] == [[1, 2], [1, 2]]


def test_a_search_is_not_continued_on_changed_data(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Trainings())
    targets = [{"name": "label", "problem_type": "single_label_classification", "label_names": ["a", "b"]}]
    records = iter([DataRecord({"train": ["p1"]}, {"train": [digest]}, targets) for digest in ("x", "x", "y")])
    monkeypatch.setattr(search.Corpora, "record", lambda self, recipe: next(records))
    search.tune(recipe, tmp_path, 2)
    search.tune(recipe, tmp_path, 3)
    with pytest.raises(
        DataError, match=r"the data has changed since .* was made: 1 sample \('p1'\) has another content"
    ):
        search.tune(recipe, tmp_path, 4)
    assert len(rows(tmp_path)) == 3
