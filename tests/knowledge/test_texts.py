from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from clfa.errors import RecipeError
from clfa.knowledge import KNOWLEDGE_SOURCES
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.knowledge.texts import KnowledgeTexts
from knowledge.fake_ocr import FakeOCR


def png(red: int, size: tuple[int, int] = (4, 4)) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.new("RGB", size, (red, 0, 0)).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeOCR, "seen", [])
    monkeypatch.setitem(KNOWLEDGE_SOURCES._entries, "ocr", f"{FakeOCR.__module__}:FakeOCR")


def make(cache: Path, *sources: str) -> KnowledgeTexts:
    return KnowledgeTexts(KnowledgeRecipe(sources=list(sources)), cache)


def test_texts_are_joined_in_the_recipes_order(tmp_path: Path) -> None:
    columns = {
        "text": ["#GoodDay", "no", "#X"],
        "image": [png(1), png(0), None],
        "knowledge": ["a cat", None, "dog"],
    }
    assert make(tmp_path, "column", "ocr", "hashtags")(columns) == ["a cat ; rot ñ 1 ; Good Day", None, "dog ; X"]
    assert make(tmp_path, "hashtags", "column")(columns) == ["Good Day ; a cat", None, "X ; dog"]


def test_no_picture_is_read_twice(tmp_path: Path) -> None:
    pictures = [png(1), png(2), png(1), png(0)]
    assert make(tmp_path, "ocr")({"image": pictures}) == ["rot ñ 1", "rot ñ 2", "rot ñ 1", None]
    assert FakeOCR.seen == [1, 2, 0]
    # Another run, other samples, another place of the same content; silence is remembered, too.
    path = tmp_path / "one.png"
    path.write_bytes(png(1)["bytes"])
    again = make(tmp_path, "ocr")({"image": [str(path), png(0), png(3)]})
    assert again == ["rot ñ 1", None, "rot ñ 3"]
    assert FakeOCR.seen == [1, 2, 0, 3]


def test_the_texts_of_several_pictures_are_joined(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = {"bytes": b"no picture", "path": None}
    texts = make(tmp_path, "ocr")
    cells = [[png(1), png(0), png(2)], png(2), [], None, [broken, png(3)], [png(0)]]
    assert texts({"image": cells}) == ["rot ñ 1 ; rot ñ 2", "rot ñ 2", None, None, "rot ñ 3", None]
    # Each picture is read once, whatever list it is in.
    assert sorted(FakeOCR.seen) == [0, 1, 2, 3]
    assert texts.failures["ocr"].count == 1


def test_what_fails_is_counted_and_not_remembered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = {"bytes": b"no picture", "path": None}
    missing = str(tmp_path / "absent.png")
    texts = make(tmp_path, "ocr")
    assert texts({"image": [png(5), png(13), broken, missing, png(6)]}) == ["rot ñ 5", None, None, None, "rot ñ 6"]
    failures = texts.failures["ocr"]
    assert failures.count == 3
    assert any("absent.png: image file not found" in example for example in failures.examples)
    assert "<image bytes>: RuntimeError: unlucky" in failures.examples
    assert any("<image bytes>: not an image in a format that is read" in line for line in failures.examples)
    with caplog.at_level(logging.WARNING):
        texts.warn()
    assert "knowledge source ocr failed for 3 images, which have no text" in caplog.text
    assert make(tmp_path, "ocr")({"image": [png(13)]}) == [None]


def test_what_a_killed_run_did_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clfa.knowledge.texts.Random", lambda: SimpleNamespace(shuffle=lambda chunks: None))
    pictures = [png(red) for red in range(70, 134)]
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, "ocr")({"image": [*pictures, png(66)]})
    assert FakeOCR.seen == [*range(70, 134)]
    assert make(tmp_path, "ocr")({"image": pictures}) == [f"rot ñ {red}" for red in range(70, 134)]
    assert len(FakeOCR.seen) == 64


def test_another_process_at_the_same_pictures_is_neither_waited_for_nor_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [png(red) for red in range(70, 134)]
    describe = FakeOCR.describe
    nested: list[list[str | None]] = []

    def interrupted(self: FakeOCR, contents: Sequence[Any]) -> list[str]:
        if not nested:
            nested.append([])
            # Stands for another process that does all the work while this one is at its first pictures.
            nested[0] = make(tmp_path, "ocr")({"image": pictures})
        return describe(self, contents)

    monkeypatch.setattr(FakeOCR, "describe", interrupted)
    expected = [f"rot ñ {red}" for red in range(70, 134)]
    assert make(tmp_path, "ocr")({"image": pictures}) == expected
    assert nested == [expected]
    assert len(FakeOCR.seen) == 64 + 16


def test_unknown_source(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"unknown knowledge source 'orc'.*Did you mean 'ocr'"):
        make(tmp_path, "orc")


def test_nothing_to_read(tmp_path: Path) -> None:
    assert make(tmp_path, "ocr", "hashtags")({"image": [], "text": []}) == []
