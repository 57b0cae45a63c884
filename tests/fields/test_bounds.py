"""Every number of a recipe has finite bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from pydantic import TypeAdapter

from clfa.errors import RecipeError
from clfa.guides.base import check_options
from clfa.guides.fitted import _settings
from clfa.guides.maps import FittedSettings
from clfa.recipe import Recipe, load_recipe
from clfa.training import CLFATrainingArguments


def numbers(schema: dict[str, Any], root: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield path and schema of each number of a JSON schema."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        # A target's fields are the same for each target.
        yield from numbers(root["$defs"][name], root, path)
    for part in schema.get("anyOf", ()):
        yield from numbers(part, root, path)
    if schema.get("type") in ("number", "integer"):
        yield path, schema
    for key, part in schema.get("properties", {}).items():
        yield from numbers(part, root, f"{path}.{key}".strip("."))
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        yield from numbers(extra, root, f"{path}.*")


RECIPE = Recipe.model_json_schema()
SETTINGS = TypeAdapter(FittedSettings).json_schema()
# The number of layers to freeze is compared with the encoder's.
FREEZE = {"model.freeze_text_encoder", "model.freeze_vision_encoder"}
NUMBERS = [
    *((path, found) for path, found in numbers(RECIPE, RECIPE) if path not in FREEZE),
    *((f"guide.{path}", found) for path, found in numbers(SETTINGS, SETTINGS)),
]


def bounds(schema: dict[str, Any]) -> tuple[float, float]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf))
    high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf))
    return low, high


@pytest.mark.parametrize(("path", "schema"), NUMBERS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_number_has_finite_bounds(path: str, schema: dict[str, Any]) -> None:
    low, high = bounds(schema)
    assert math.isfinite(low)
    assert math.isfinite(high)
    assert low < high


def test_there_are_numbers() -> None:
    paths = {path for path, _ in NUMBERS}
    assert {"training.learning_rate", "model.alpha", "data.targets.*.weight", "guide.temperature", "seed"} <= paths


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", "1e400"])
@pytest.mark.parametrize("path", [path for path, _ in NUMBERS if "*" not in path and not path.startswith("guide.")])
def test_numbers_that_are_not_finite_are_refused(path: str, value: str) -> None:
    with pytest.raises(RecipeError, match=path.replace(".", r"\.")):
        load_recipe("offline", [f"{path}={value}"])


@pytest.mark.parametrize("key", ["data.options.ratios", "model.readout_options", "model.baseline_options", "guide"])
def test_options_that_are_not_finite_are_refused(key: str) -> None:
    with pytest.raises(RecipeError, match="x is inf; it must be a finite number"):
        load_recipe("offline", [f"{key}={{x: .inf}}"])


@pytest.mark.parametrize("rate", ["1e30", "11", "0", "-1"])
def test_learning_rates_are_bounded(rate: str) -> None:
    with pytest.raises(RecipeError, match=r"training\.learning_rate"):
        load_recipe("offline", [f"training.learning_rate={rate}"])


@pytest.mark.parametrize("rate", [math.inf, math.nan, 1e30])
def test_learning_rates_of_training_arguments_are_bounded(rate: float) -> None:
    with pytest.raises(ValueError, match=r"learning_rate is (inf|nan|1e\+30); it must be above 0 and at most 10"):
        CLFATrainingArguments(output_dir="x", learning_rate=rate)


def test_all_fields_are_covered() -> None:
    assert {field.name for field in fields(FittedSettings)} - {path.rpartition(".")[2] for path, _ in NUMBERS} == {
        "map",
        "conse",
    }


# What YAML reads as a truth value, in every field that is a number.
@pytest.mark.parametrize("value", ["true", "yes", "on", "no", "off"])
@pytest.mark.parametrize("path", [path for path, _ in NUMBERS if "*" not in path and not path.startswith("guide.")])
def test_truth_values_are_no_numbers(path: str, value: str) -> None:
    with pytest.raises(RecipeError, match=rf"{path}: it must be a number; (true|false), (yes|no) and o"):
        load_recipe("offline", [f"{path}={value}"])


@pytest.mark.parametrize("settings", [{"temperature": True}, {"epochs": False}, {"dim": True}])
def test_truth_values_are_no_numbers_of_a_guide(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(RecipeError, match=rf"guide\.{name}: it must be a number; "):
        _settings(settings)


def test_a_truth_value_is_no_weight_of_a_target() -> None:
    with pytest.raises(RecipeError, match=r"data\.targets\.mood\.weight: it must be a number; true"):
        load_recipe("offline", ["data.targets={mood: {weight: yes}}"])


def test_switches_are_truth_values() -> None:
    recipe = load_recipe(
        "offline", ["training.calibrate=no", "model.freeze_text_encoder=yes", "training.num_workers=2.0"]
    )
    assert recipe.training.calibrate is False
    assert recipe.model.freeze_text_encoder is True
    assert recipe.training.num_workers == 2


@pytest.mark.parametrize("field", ["learning_rate", "early_stopping_patience"])
def test_truth_values_are_no_training_arguments(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is True; it must be "):
        CLFATrainingArguments(output_dir="x", **{field: True})


@pytest.mark.parametrize("size", [True, 0, -1, 2.5, "8", 10**7, None])
def test_sizes_of_batches_of_guides_are_bounded(size: Any) -> None:
    with pytest.raises(RecipeError, match=r"guide\.batch_size is .*; give a whole number from 1 to 1,000,000"):
        check_options("clip", {"batch_size": size}, ("model", "batch_size"))
    check_options("clip", {"batch_size": 8}, ("model", "batch_size"))
