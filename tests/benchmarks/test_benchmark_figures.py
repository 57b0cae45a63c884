from __future__ import annotations

from benchmarks.figures import duration


def test_durations_have_three_digits() -> None:
    assert [duration(value) for value in (123.4, 12.34, 1.234, 0.01234, 0.00001234)] == [
        "123 s",
        "12.3 s",
        "1.23 s",
        "12.3 ms",
        "12.3 µs",
    ]
