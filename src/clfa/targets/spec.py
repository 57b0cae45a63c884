"""Specification of targets in recipes and reader options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from clfa.errors import DataError, RecipeError
from clfa.nearest import did_you_mean
from clfa.strict_model import StrictModel, problem_text
from clfa.targets import PROBLEM_TYPES
from clfa.targets.fields import SINGLE_LABEL
from clfa.targets.label_types import label_text


def problem_types_with(attribute: str) -> list[str]:
    """Return the problem types for which an attribute of :class:`clfa.targets.problem_type.ProblemType` is true."""
    return [name for name in PROBLEM_TYPES.names() if getattr(PROBLEM_TYPES.get(name), attribute)]


def _registered(name: str) -> str:
    try:
        PROBLEM_TYPES.get(name)
    except RecipeError as error:
        raise PydanticCustomError("problem_type", "{message}", {"message": str(error)}) from None
    return name


ProblemTypeName = Annotated[str, AfterValidator(_registered)]


class TargetSpec(StrictModel):
    """One target of a table.

    Args:
        column: Column of the target; by default the target's name.
        columns: For a multi-label target, instead of ``column``: one column of 0 and 1 per class, by class name.
        problem_type: A name in :data:`clfa.targets.PROBLEM_TYPES`.
        label_names: Class names in index order; by default the classes in the data.
        weight: Factor of this target's loss.
        delimiter: Separator of the classes in a text cell of a multi-label target. List cells do not need it.
        empty_is_none: Whether an empty cell of a multi-label target means that the post has none of the classes. By
            default the label is missing, and the post is used to train the other targets only.
    """

    column: str | None = None
    columns: dict[str, str] | None = None
    problem_type: ProblemTypeName = SINGLE_LABEL
    label_names: list[str] | None = None
    weight: float = Field(default=1.0, gt=0, le=1e4)
    delimiter: str = Field(default="|", min_length=1)
    empty_is_none: bool = False

    @field_validator("label_names", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        if any(isinstance(name, bool) for name in value):
            raise ValueError("YAML reads yes, no, true and false as booleans; put such names in quotes")
        return [label_text(name) if isinstance(name, int | float) else name for name in value]

    @model_validator(mode="after")
    def _possible(self) -> TargetSpec:
        kind = PROBLEM_TYPES.get(self.problem_type)
        if self.columns is not None:
            if not kind.column_per_class:
                known = " or ".join(problem_types_with("column_per_class"))
                raise ValueError(f"columns, one per class, need problem_type {known}")
            if self.column is not None:
                raise ValueError("give either column or columns, not both")
            if not self.columns:
                raise ValueError("columns is empty; name one column per class")
            if self.label_names is not None and sorted(self.label_names) != sorted(self.columns):
                raise ValueError(
                    f"label_names ({', '.join(self.label_names)}) and the keys of columns ({', '.join(self.columns)}) "
                    "differ; leave label_names out"
                )
        kind.check_spec(self)
        return self

    @property
    def classes(self) -> list[str] | None:
        """Class names, if they are given."""
        return self.label_names if self.label_names is not None else list(self.columns) if self.columns else None


def parse_specs(targets: Mapping[str, Any]) -> dict[str, TargetSpec]:
    """Check the ``targets`` option of a reader.

    Args:
        targets: A :class:`TargetSpec`, or a mapping with its fields, by target name.

    Raises:
        DataError: If a target is not valid; the message names the target and the key.
    """
    if not isinstance(targets, Mapping):
        raise DataError(f"targets must map names to {', '.join(TargetSpec.model_fields)}; got {targets!r}")
    specs = {}
    for name, value in targets.items():
        if isinstance(value, TargetSpec):
            specs[str(name)] = value
            continue
        try:
            specs[str(name)] = TargetSpec.model_validate({} if value is None else value)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, p['loc'])) or 'value'}: {problem_text(p)}" for p in error.errors()]
            unknown = [str(p["loc"][-1]) for p in error.errors() if p["type"] == "extra_forbidden"]
            hint = did_you_mean(unknown[0], TargetSpec.model_fields) if unknown else ""
            raise DataError(
                f"target {name!r}: {'; '.join(problems)}. Keys: {', '.join(TargetSpec.model_fields)}.{hint}"
            ) from error
    return specs
