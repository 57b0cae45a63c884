"""The pydantic base of configuration sections: unknown keys are errors."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

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


class StrictModel(BaseModel):
    """A section of a configuration that refuses unknown keys and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
