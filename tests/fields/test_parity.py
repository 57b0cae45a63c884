"""Recipes, configurations and training arguments have the same fields, since each is written once."""

from __future__ import annotations

import dataclasses
from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from clfa.fields.model import ModelFields
from clfa.fields.training import OptimizerFields, TrainingFields
from clfa.modeling import CLFAConfig
from clfa.recipe import ModelRecipe, TrainingRecipe
from clfa.training import CLFATrainingArguments

SOURCES = [
    (ModelFields, ModelRecipe, CLFAConfig),
    (OptimizerFields, TrainingRecipe, CLFATrainingArguments),
    (TrainingFields, TrainingRecipe, CLFATrainingArguments),
]
# An empty mapping is what a recipe says where a configuration says nothing.
OTHER_DEFAULTS = {"baseline_options", "readout_options"}


def names() -> list[Any]:
    return [
        pytest.param(source, recipe, derived, field, id=field.name)
        for source, recipe, derived in SOURCES
        for field in dataclasses.fields(source)
    ]


@pytest.mark.parametrize(("source", "recipe", "derived", "field"), names())
def test_a_field_is_the_same_everywhere(
    source: Any, recipe: type[BaseModel], derived: Any, field: dataclasses.Field[Any]
) -> None:
    assert field.name not in vars(derived).get("__annotations__", {})
    found = {known.name: known for known in dataclasses.fields(derived)}[field.name]
    assert found.default == field.default
    if field.name not in OTHER_DEFAULTS:
        assert field.name not in vars(recipe)["__annotations__"]
        assert recipe.model_fields[field.name].default == field.default
        declared = FieldInfo.from_annotation(get_type_hints(source, include_extras=True)[field.name])
        assert recipe.model_fields[field.name].annotation == declared.annotation
        assert recipe.model_fields[field.name].metadata == declared.metadata


def test_a_recipe_has_no_model_field_that_a_configuration_lacks() -> None:
    only = {"text_encoder", "vision_encoder", "max_length", "knowledge_max_length"}
    assert set(ModelRecipe.model_fields) - {field.name for field in dataclasses.fields(CLFAConfig)} == only


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0),
        ("alpha", -1.0),
        ("students_weight", -0.1),
        ("classifier_dropout", 1.0),
        ("hidden_size", 0),
        ("negatives", "queue"),
        ("image_grid_size", 0),
    ],
)
def test_ranges_and_choices_of_a_model(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        ModelRecipe.model_validate({field: value})
    with pytest.raises(ValueError, match=f"{field} is {value!r}; (it must be|choose one of)"):
        CLFAConfig(text_config={"model_type": "bert"}, **{field: value})


@pytest.mark.parametrize(
    ("field", "value"), [("ema_decay", 1.0), ("early_stopping_patience", -1), ("encoder_learning_rate", 0.0)]
)
def test_ranges_of_a_training(field: str, value: Any, tmp_path: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        TrainingRecipe.model_validate({field: value})
    with pytest.raises(ValueError, match=f"{field} is {value!r}; it must be"):
        CLFATrainingArguments(output_dir=str(tmp_path), use_cpu=True, **{field: value})


def test_what_transformers_allows_stays_allowed(tmp_path: Any) -> None:
    # No clipping: Transformers' own meaning of 0, which recipes do not offer.
    assert CLFATrainingArguments(output_dir=str(tmp_path), use_cpu=True, max_grad_norm=0.0).max_grad_norm == 0
