from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from clfa.errors import RecipeError
from clfa.knowledge.ocr import OCRSource
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.knowledge.texts import KnowledgeTexts


def test_lines_become_one_text() -> None:
    shapes = []

    def engine(array: np.ndarray) -> tuple[list[object] | None, list[float]]:
        shapes.append(array.shape)
        # Blue first, as OpenCV has it.
        assert array[0, 0].tolist() == [3, 2, 1]
        return ([[[], "so  sunny", 0.9], [[], "today\n", 0.8]] if len(shapes) == 1 else None), [0.1]

    picture = Image.new("RGB", (5, 4), (1, 2, 3))
    assert OCRSource(engine, "x").describe([picture, picture]) == ["so sunny today", ""]
    assert shapes == [(4, 5, 3)] * 2


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    with pytest.raises(RecipeError, match=r"ocr needs RapidOCR; install it with pip install 'clfa\[ocr\]'"):
        OCRSource.from_recipe(KnowledgeRecipe())


@pytest.mark.slow
def test_words_in_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr_onnxruntime")
    written = Image.new("RGB", (420, 120), "white")
    ImageDraw.Draw(written).text((20, 30), "SUNNY DAY", fill="black", font=ImageFont.load_default(48))
    texts = KnowledgeTexts(KnowledgeRecipe(sources=["ocr"]), tmp_path)
    found = texts({"image": [written, Image.new("RGB", (200, 100), "white")]})
    assert str(found[0]).replace(" ", "").upper() == "SUNNYDAY"
    assert found[1] is None
    assert texts.failures["ocr"].count == 0
