"""What the cache of decodable images remembers: results of decoding, and nothing that may pass."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from clfa.data import image_check, images
from clfa.data.image_check import MISSING, UNREADABLE, ImageChecker
from clfa.errors import ImageError
from posts import picture

PASSING = [
    PermissionError(errno.EACCES, "Permission denied"),
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.EIO, "Input/output error"),
    OSError(errno.ESTALE, "Stale file handle"),
    TimeoutError("timed out"),
    BlockingIOError("try again"),
    ConnectionResetError("reset"),
    RuntimeError("of a file system"),
    FileNotFoundError("gone for a moment"),
]


def check(path: Path, cache: Path) -> tuple[str, str] | None:
    checker = ImageChecker(1, cache)
    (found,) = checker.check([{"bytes": None, "path": str(path)}])
    checker.save()
    return found


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_a_read_error_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    path, cache = picture(tmp_path / "a.jpg", "red"), tmp_path / "cache.json"

    def fail(*args: Any, **options: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(images, "open", fail, raising=False)
        found = check(path, cache)
    assert found is not None
    assert found[0] == (MISSING if isinstance(error, FileNotFoundError) else UNREADABLE)
    assert not cache.exists()
    assert check(path, cache) is None
    assert json.loads(cache.read_text())[str(path)][2:] == ["", ""]


def test_a_lack_of_memory_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = picture(tmp_path / "a.jpg", "red"), tmp_path / "cache.json"

    def fail(*args: Any) -> Any:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(images, "to_rgb", fail)
        assert check(path, cache) is not None
    assert not cache.exists()
    assert check(path, cache) is None


@pytest.mark.parametrize("content", [b"no picture", b"\xff\xd8\xff\xe0 half"])
def test_a_result_of_decoding_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    path, cache = tmp_path / "a.jpg", tmp_path / "cache.json"
    path.write_bytes(content)
    found = check(path, cache)
    assert found is not None
    assert found[0] == UNREADABLE
    assert str(path) in found[1]
    monkeypatch.setattr(image_check, "load_image", None)
    assert check(path, cache) == found


@pytest.mark.parametrize("content", ["[1]", '{"a": 3}', "", "nul\0", '{"PATH": [1]}', '{"PATH": null}'])
def test_a_cache_of_another_form_is_ignored(tmp_path: Path, content: str) -> None:
    path, cache = picture(tmp_path / "a.jpg", "red"), tmp_path / "cache.json"
    cache.write_text(content.replace("PATH", str(path)))
    assert check(path, cache) is None


@pytest.mark.parametrize(
    "entry", [["unreadable imagf", "x"], [1, "x"], ["unreadable image", None], ["", "x"], [None, ""]]
)
def test_a_damaged_entry_is_ignored(tmp_path: Path, entry: list[Any]) -> None:
    path, cache = picture(tmp_path / "a.jpg", "red"), tmp_path / "cache.json"
    assert check(path, cache) is None
    (stamp,) = json.loads(cache.read_text()).values()
    cache.write_text(json.dumps({str(path): [*stamp[:2], *entry]}))
    assert check(path, cache) is None


@pytest.mark.parametrize(
    "error", [OSError("out of memory error when reading image file"), OSError(errno.EIO, "input/output error")]
)
def test_an_error_of_the_system_behind_a_decoder_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    path, cache = picture(tmp_path / "a.jpg", "red"), tmp_path / "cache.json"

    def fail(*args: Any) -> Any:
        try:
            raise error
        except OSError as cause:
            raise ImageError("cannot be decoded") from cause

    with monkeypatch.context() as patch:
        patch.setattr(images, "to_rgb", fail)
        assert check(path, cache) is not None
    assert not cache.exists()
    assert check(path, cache) is None
