"""The pydantic base of configuration sections: unknown keys are errors, and numbers are numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator

from clfa.nearest import did_you_mean

_EXPECTED = re.compile(r"'([^']*)'")


def finite_values(value: Any) -> Any:
    """Return a value of any type; a validator of options whose types are not known here.

    Raises:
        ValueError: If it is or contains a number that is not finite; the message has the number and its key.
    """
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(part, float) and not math.isfinite(part):
            raise ValueError(f"{key} is {part}; it must be a finite number")
        finite_values(part)
    return value


def problem_text(problem: Any, got: str = "") -> str:
    """Return what is wrong with a value, with the closest of the values that are possible.

    Args:
        problem: One of the errors of a ``pydantic.ValidationError``.
        got: The value, as it stands behind the problem.
    """
    text = str(problem["msg"]).removeprefix("Value error, ") + got
    given = problem["input"]
    if problem["type"] != "literal_error" or not isinstance(given, str):
        return text
    hint = did_you_mean(given, _EXPECTED.findall(problem["ctx"]["expected"]))
    return f"{text}.{hint}" if hint else text


# Options for a class that checks them itself.
Options = Annotated[dict[str, Any], AfterValidator(finite_values)]


def require_number(value: Any, annotation: Any) -> Any:
    """Return a value of a field; refuse a truth value where the field is a number: pydantic takes ``yes`` for 1.

    Args:
        value: The value.
        annotation: Type of the field.

    Raises:
        ValueError: If the value is ``True`` or ``False``, and the field has a number and no truth value.
    """
    kinds = set(_kinds(annotation))
    if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
        raise ValueError(f"it must be a number; {'true, yes and on' if value else 'false, no and off'} are none")
    return value


def _kinds(annotation: Any) -> Iterator[Any]:
    parts = get_args(annotation)
    for part in parts:
        yield from _kinds(part)
    if not parts:
        yield annotation


class StrictModel(BaseModel):
    """A section of a configuration that refuses unknown keys, numbers that are not finite, and truth values as numbers.

    ``True`` is a number for pydantic; in a recipe, ``learning_rate: yes`` is a mistake.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields.get(str(info.field_name))
        return value if field is None else require_number(value, field.annotation)
