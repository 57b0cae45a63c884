from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from clfa.predictor import shown
from clfa.progress import bars

logger = logging.getLogger("clfa.runs.train_one")


@pytest.mark.parametrize(
    ("wanted", "notebook", "expected"),
    [(None, False, False), (None, True, True), (True, False, True), (False, True, False)],
)
def test_a_training_is_shown(
    wanted: bool | None,
    notebook: bool,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shown, "in_notebook", lambda: notebook)
    monkeypatch.setattr(shown, "summary_text", lambda metrics, folder: f"summary of {folder}")
    with shown.shown_training(wanted) as show:
        logger.info("epoch 1 \x1b[31m")
        assert bars() is (wanted is True)
        show({}, Path("run"))
    logger.info("later")
    assert capsys.readouterr().err == ("epoch 1 \\x1b[31m\nsummary of run\n" if expected else "")


def test_nothing_is_printed_twice(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    package = logging.getLogger("clfa")
    monkeypatch.setattr(shown, "summary_text", lambda metrics, folder: "")
    with caplog.at_level(logging.INFO, logger="clfa"), shown.shown_training(True):
        assert package.handlers == []
    assert shown.in_notebook() is False
