"""Checks of the options of baselines and readouts, by the signatures of their classes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from clfa.errors import ModelError
from clfa.nearest import did_you_mean

# Far above useful values; they exclude typing errors that end in divergence or a lack of memory.
_Whole = Annotated[int, Field(strict=True, le=65_536)]
_Number = Annotated[float, Field(strict=True, ge=-1e4, le=1e4, allow_inf_nan=False)]
# What is checked, by the type that a signature declares; options of other types are the class's own matter.
_KINDS: dict[Any, Any] = {
    int: _Whole,
    int | None: _Whole | None,
    float: _Number,
    float | None: _Number | None,
    Sequence[int]: Annotated[list[_Whole] | tuple[_Whole, ...], Field(min_length=1)],
}


def check_options(kind: str, name: str, part: type, options: Mapping[str, Any], taken: int) -> None:
    """Check the names of options, and that their values are of the declared types and within bounds.

    Args:
        kind: ``baseline`` or ``readout``, for messages; options stand under ``model.KIND_options``.
        name: Its name.
        part: Its class.
        options: The options.
        taken: Number of parameters of the class that are no options; they are the first ones.

    Raises:
        ModelError: If there is no such option, or a value cannot be; the message names the option.
    """
    known = list(inspect.signature(part).parameters)[taken:]
    hints = get_type_hints(part.__init__)  # type: ignore[misc]
    for option, value in options.items():
        if option not in known:
            takes = ", ".join(known) or "none"
            hint = did_you_mean(option, known)
            raise ModelError(f"{kind} {name!r} has no option {option!r}; it takes: {takes}.{hint}")
        wanted = _KINDS.get(hints.get(option))
        if wanted is None:
            continue
        try:
            TypeAdapter(wanted).validate_python(value)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise ModelError(f"model.{kind}_options.{option}: {problem} (got {str(value)[:80]}).") from error
