from __future__ import annotations

from collections.abc import Iterator

import pytest

from clfa.cpu import switch
from clfa.errors import CLFAError


@pytest.fixture(autouse=True)
def unread() -> Iterator[None]:
    switch.enabled.cache_clear()
    yield
    switch.enabled.cache_clear()


@pytest.mark.parametrize(("value", "expected"), [(None, True), ("", True), ("1", True), ("0", False)])
def test_values(monkeypatch: pytest.MonkeyPatch, value: str | None, expected: bool) -> None:
    monkeypatch.delenv("CLFA_CPU_SPEEDUPS", raising=False)
    if value is not None:
        monkeypatch.setenv("CLFA_CPU_SPEEDUPS", value)
    assert switch.enabled() is expected
    monkeypatch.setenv("CLFA_CPU_SPEEDUPS", "1" if value == "0" else "0")
    # Read once.
    assert switch.enabled() is expected


def test_any_other_value_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLFA_CPU_SPEEDUPS", "off")
    with pytest.raises(CLFAError, match=r"CLFA_CPU_SPEEDUPS is 'off'; set it to 0 \(plain PyTorch\) or 1"):
        switch.enabled()
