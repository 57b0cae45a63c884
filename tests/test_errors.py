from __future__ import annotations

import pickle

import pytest

from clfa.errors import Argument, CLFAError, DataError


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        (Argument("output"), "output"),
        (Argument("text", ...), "text=..."),
        (Argument("resume", True), "resume=True"),
        (Argument("engine", "torch"), "engine='torch'"),
    ],
)
def test_python_spelling(argument: Argument, text: str) -> None:
    assert str(argument) == text


def test_a_message_in_one_piece() -> None:
    error = DataError("posts.csv: {no} column")
    assert str(error) == "posts.csv: {no} column"
    assert error.spelled(lambda argument: "?") == "posts.csv: {no} column"


def test_a_message_in_parts() -> None:
    error = DataError("{a} exists; give another ", Argument("output"), " or ", Argument("resume", True), ".")
    assert str(error) == "{a} exists; give another output or resume=True."
    assert error.spelled(lambda argument: f"<{argument.name}>") == "{a} exists; give another <output> or <resume>."


def test_errors_travel_between_processes() -> None:
    error = pickle.loads(pickle.dumps(CLFAError("give another ", Argument("output"), ".")))  # noqa: S301
    assert error.spelled(lambda argument: "--output") == "give another --output."
    assert str(error) == "give another output."
