"""Range and choice checks of shared fields, for classes that pydantic does not check."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

T = TypeVar("T", bound=type)

_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def check_fields(values: object, source: type, names: tuple[str, ...] | None = None) -> None:
    """Check values against the declared ranges and choices of their fields.

    Args:
        values: Object with the fields as attributes.
        source: Class that declares the fields.
        names: Names of the fields to check; all by default.

    Raises:
        ValueError: If a value is out of range or not a choice. The message names the field, its value and the
            allowed values.
    """
    for name, hint in get_type_hints(source, include_extras=True).items():
        value = getattr(values, name)
        if value is None or (names is not None and name not in names):
            continue
        if get_origin(hint) is Literal and value not in get_args(hint):
            raise ValueError(f"{name} is {value!r}; choose one of {', '.join(get_args(hint))}.")
        bounds = list(_bounds(hint))
        # In Python, True is 1.
        if (bounds and isinstance(value, bool)) or not all(_holds(value, kind, bound) for kind, bound in bounds):
            words = " and ".join(f"{_BOUNDS[kind]} {bound}" for kind, bound in bounds)
            raise ValueError(f"{name} is {value!r}; it must be {words}.")


def plain_types(cls: T) -> T:
    """Class decorator: reduce annotated field types to plain types, which ``@strict`` of huggingface_hub can check.

    Integers are accepted for floats, as JSON may contain them. Ranges and choices are checked by
    :func:`check_fields`.

    Args:
        cls: A dataclass.
    """
    fields: dict[str, Any] = cls.__dataclass_fields__  # type: ignore[attr-defined]
    for name, declared in list(fields.items()):
        if isinstance(declared.type, str):
            continue
        plain = _plain(declared.type)
        if plain is not declared.type:
            # The field object may be shared with a base class.
            fields[name] = copy.copy(declared)
            fields[name].type = plain
    return cls


def _plain(hint: Any) -> Any:
    if get_origin(hint) is Annotated:
        return _plain(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0])
    return float | int if hint is float else hint


def _bounds(hint: Any) -> Iterator[tuple[str, Any]]:
    for part in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
        for rule in part.metadata if isinstance(part, FieldInfo) else ():
            for kind, bound in ((Ge, "ge"), (Gt, "gt"), (Le, "le"), (Lt, "lt")):
                if isinstance(rule, kind):
                    yield bound, getattr(rule, bound)


def _holds(value: Any, kind: str, bound: Any) -> bool:
    return bool({"ge": value >= bound, "gt": value > bound, "le": value <= bound, "lt": value < bound}[kind])
