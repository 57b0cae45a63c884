"""Models whose files are damaged in a way that only a prediction shows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from clfa.errors import ImageError, ModelError
from clfa.prediction.fitting import fitting
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.processing.processor import PROCESSOR_FILE
from posts import picture


@pytest.mark.parametrize(
    "change",
    [
        {"size": {"height": "a", "width": 32}},
        {"size": {"height": 0.5, "width": 0.5}},
        {"size": {"height": 12, "width": 10}},
        {"image_mean": [{"a": 1}] * 3},
        {"image_std": {}},
        {"rescale_factor": {"a": 1}},
    ],
)
def test_settings_of_pictures(tiny_run: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    folder = shutil.copytree(tiny_run / "model", tmp_path / "model")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    post = Post("a great day", str(picture(tmp_path / "a.jpg", "red")))
    try:
        (found,) = PostClassifier.load(folder)([post])
        said = str(found.error)
    except ModelError as error:
        said = str(error)
    assert any(part in said for part in ("Save or copy both", "cannot load", "image cannot be prepared"))


def test_settings_of_the_processor(tiny_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_run / "model", tmp_path / "model")
    file = folder / PROCESSOR_FILE
    file.write_text(json.dumps({**json.loads(file.read_text()), "modalities": 3}))
    with pytest.raises(ModelError, match=f"{PROCESSOR_FILE} is damaged"):
        PostClassifier.load(folder)


def test_what_is_no_fault_of_the_files_stays() -> None:
    for error in (ImageError("broken"), MemoryError(), RuntimeError("CUDA out of memory. Tried"), KeyboardInterrupt()):
        with pytest.raises(type(error)), fitting():
            raise error
    expected = r"^the model cannot compute what .* \(IndexError: index out of range in self\): "
    with pytest.raises(ModelError, match=expected), fitting():
        raise IndexError("index out of range in self")
