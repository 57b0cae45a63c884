from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

from clfa.errors import ModelError
from clfa.hub import is_cached, require_on_hub

FILES = ("config.json", "tokenizer_config.json")


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Id of a model in the hub's cache, which has no file but one."""
    commit = "0" * 40
    folder = tmp_path / "models--me--mine"
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots" / commit / "tokenizer_config.json").write_text("{}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return "me/mine"


def test_a_model_in_the_cache_needs_no_hub(cached: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", None)
    assert is_cached(cached, FILES)
    require_on_hub(cached, FILES)
    assert not is_cached("me/other", FILES)
    assert not is_cached("not an id", FILES)


def test_offline_the_hub_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", None)
    with pytest.raises(ModelError, match=r"^there is no folder 'mien' here, .*; HF_HUB_OFFLINE is set, so that the"):
        require_on_hub("mien", FILES)


def test_the_hub_is_asked_once_for_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, float]] = []

    def answer(url: str, *, timeout: float) -> Any:
        asked.append((url, timeout))
        raise TimeoutError("timed out")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", answer)
    with pytest.raises(ModelError, match=r"the hub \(.*\) cannot be reached \(TimeoutError: timed out\)\.$"):
        require_on_hub("me/mien", FILES)
    assert len(asked) == 1
    assert asked[0][0].endswith("me/mien/resolve/main/config.json")
    assert asked[0][1] == 5
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda url, timeout: None)
    require_on_hub("me/mine", FILES)
    with pytest.raises(ModelError, match=r"^there is no folder 'not an id' here, and it cannot be a hub id\.$"):
        require_on_hub("not an id", FILES)
