from __future__ import annotations

from pathlib import Path

import pytest

from clfa.nearest import close_name, did_you_mean, path_hint, suggestion


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("ofline", ["offline", "demo"], "offline"),
        ("Cross-Attention", ["concat", "cross_attention"], "cross_attention"),
        ("Max Length", ["max_length"], "max_length"),
        ("OFFLINE", ["offline"], "offline"),
        ("xyz", ["offline"], None),
        ("a", [], None),
    ],
)
def test_close_name(name: str, known: list[str], found: str | None) -> None:
    assert close_name(name, known) == found
    assert did_you_mean(name, known) == ("" if found is None else f" Did you mean {found!r}?")
    assert suggestion(name, known) == (did_you_mean(name, known).strip() or f"Known here: {', '.join(known)}.")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("runs/mien", " Did you mean '{}/runs/mine'?"),
        ("rnus/mine", " Did you mean '{}/runs/mine'?"),
        ("posts.tsv", " Did you mean '{}/posts.csv'?"),
        ("rnus/mien", " Did you mean '{}/runs/mine'?"),
        ("rnus/zzzzzz", " There is no folder '{}/rnus'."),
        ("elsewhere/mine", " There is no folder '{}/elsewhere'."),
        ("runs/zzzzzz", ""),
        ("posts.csv/below", ""),
        ("nul\0", ""),
    ],
)
def test_path_hint(tmp_path: Path, path: str, hint: str) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "posts.csv").touch()
    assert path_hint(tmp_path / path) == hint.format(tmp_path)


def test_the_hint_for_a_relative_path_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert path_hint("runs/mnie") == " Did you mean 'runs/mine'?"
    assert path_hint("rums") == " Did you mean 'runs'?"
