"""Spaces of settings to search, as recipes declare them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from clfa.strict_model import StrictModel, finite_values

# Sections whose settings may be searched: other data or seeds would change what is compared.
SECTIONS = ("model", "knowledge", "guide", "training")

_MOST = 10**15
Bounded = Annotated[int, Field(ge=-_MOST, le=_MOST)] | Annotated[float, Field(ge=-_MOST, le=_MOST)]
Step = Annotated[int, Field(gt=0, le=_MOST)] | Annotated[float, Field(gt=0, le=_MOST)]


class Range(StrictModel):
    """Numbers from ``low`` to ``high``, whole ones if both are.

    Args:
        low: Smallest value.
        high: Largest value.
        log: Whether equal ratios are equally likely, as for learning rates.
        step: Distance of the values, from ``low``; any value when not given.
    """

    low: Bounded
    high: Bounded
    log: bool = False
    step: Step | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log=true needs low above 0, and no step")
        return self

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))


class Choices(StrictModel):
    """Some values of any kind.

    Args:
        choices: The values.
    """

    choices: list[Any] = Field(min_length=2)

    @field_validator("choices")
    @classmethod
    def _finite(cls, value: list[Any]) -> list[Any]:
        for choice in value:
            if isinstance(choice, float) and not math.isfinite(choice):
                raise ValueError(f"{choice} is no finite number")
        finite_values(value)
        return value


Space = dict[str, Range | Choices]


def as_space(value: Any) -> Any:
    """Return a space by key, ``model.alpha``, from one with sections in sections; lists are choices.

    Raises:
        ValueError: If a setting is of a section that is not searched.
    """
    if not isinstance(value, dict):
        return value
    found = dict(_settings(value))
    for key in found:
        section, _, rest = key.partition(".")
        if section not in SECTIONS or not rest:
            raise ValueError(f"{key!r} cannot be searched; settings of {', '.join(SECTIONS)} can, such as model.alpha")
    return {key: {"choices": inner} if isinstance(inner, list) else inner for key, inner in found.items()}


def _settings(value: dict[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, dict) and not {"low", "high", "choices"} & set(inner):
            yield from _settings(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner
