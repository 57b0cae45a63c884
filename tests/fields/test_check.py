from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from clfa.fields.check import check_fields


class Source:
    share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    count: Annotated[int | None, Field(ge=1)] = None
    most: Annotated[int, Field(gt=0, le=9)] = 1
    mode: Literal["a", "b"] = "a"
    free: str = ""


GOOD = {"share": 0, "count": None, "most": 9, "mode": "b", "free": "anything"}


def test_what_fits_passes() -> None:
    check_fields(SimpleNamespace(**GOOD), Source)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("share", 1.0, "share is 1.0; it must be at least 0 and below 1."),
        ("share", -0.1, "share is -0.1; it must be at least 0 and below 1."),
        ("count", 0, "count is 0; it must be at least 1."),
        ("most", 10, "most is 10; it must be above 0 and at most 9."),
        ("mode", "c", "mode is 'c'; choose one of a, b."),
    ],
)
def test_what_does_not_is_named(name: str, value: Any, message: str) -> None:
    values = SimpleNamespace(**{**GOOD, name: value})
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        check_fields(values, Source)
    assert str(caught.value) == message
    check_fields(values, Source, ("free",))
