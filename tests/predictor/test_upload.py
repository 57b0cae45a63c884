from __future__ import annotations

from pathlib import Path

import pytest

from clfa.errors import ModelError
from clfa.predictor import CLFAPredictor


def test_what_cannot_be_uploaded(tiny_run: Path) -> None:
    loaded = CLFAPredictor.load(tiny_run)
    with pytest.raises(ModelError, match=r"'a/b/c' is no name of a repository, such as owner/name"):
        loaded.push_to_hub("a/b/c")
    with pytest.raises(ModelError, match="the hub cannot be reached while HF_HUB_OFFLINE is set"):
        loaded.push_to_hub("somebody/posts", token="hf_x")
    loaded.path = Path("somebody/posts")
    with pytest.raises(ModelError, match="posts is no folder with a model; only a model on this machine"):
        loaded.push_to_hub("somebody/posts")
