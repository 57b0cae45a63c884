from __future__ import annotations

from typing import Any

import pytest

from clfa.errors import RecipeError
from clfa.recipe import load_recipe
from clfa.runs.names import check_names
from clfa.training.alpha_schedules import ALPHA_SCHEDULES, alpha_factor
from clfa.training.arguments import CLFATrainingArguments


def test_factors() -> None:
    constant, decay = ALPHA_SCHEDULES.get("constant"), ALPHA_SCHEDULES.get("linear_decay")
    assert [constant(progress) for progress in (0.0, 0.5, 1.0)] == [1.0, 1.0, 1.0]
    assert [decay(progress) for progress in (0.0, 0.25, 1.0, 1.5)] == [1.0, 0.75, 0.0, 0.0]


def test_a_recipe_names_one_that_exists() -> None:
    with pytest.raises(RecipeError, match=r"unknown alpha schedule 'linear'; known: constant, linear_decay\. Did you"):
        check_names(load_recipe("offline", ["training.alpha_schedule=linear"]))


def test_a_registered_schedule_is_one_of_the_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="alpha_schedule is 'half'; choose one of constant, linear_decay"):
        CLFATrainingArguments(output_dir=str(tmp_path), alpha_schedule="half")
    monkeypatch.setattr(ALPHA_SCHEDULES, "_entries", dict(ALPHA_SCHEDULES._entries))
    ALPHA_SCHEDULES.register("half", lambda progress: 0.5)
    assert CLFATrainingArguments(output_dir=str(tmp_path), alpha_schedule="half").alpha_schedule == "half"


@pytest.mark.parametrize(("value", "shown"), [(None, "None"), (float("nan"), "nan")])
def test_a_schedule_returns_a_number(monkeypatch: pytest.MonkeyPatch, value: Any, shown: str) -> None:
    monkeypatch.setitem(ALPHA_SCHEDULES._entries, "half", lambda progress: value if progress else 0.5)
    assert alpha_factor("half", 0) == 0.5
    said = f"^training.alpha_schedule 'half' returned {shown} at 25 % of the training; it has to return a finite number"
    with pytest.raises(RecipeError, match=said):
        alpha_factor("half", 0.25)
