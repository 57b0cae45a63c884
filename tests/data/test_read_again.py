from __future__ import annotations

import errno
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest
from PIL import Image

from clfa.data import images, read_again
from clfa.data.images import MissingImageError, load_image
from clfa.errors import ImageError


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited; nothing waits."""
    seconds: list[float] = []
    monkeypatch.setattr(read_again.time, "sleep", seconds.append)
    return seconds


def failing(*errors: Exception) -> Callable[[], bytes]:
    """A function that raises each error once, and then returns."""
    left = list(errors)

    def read() -> bytes:
        if left:
            raise left.pop(0)
        return b"content"

    return read


def http(code: int) -> HTTPError:
    return HTTPError("https://example.org/a.jpg", code, "", Message(), None)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.ESTALE, "Stale file handle"),
        OSError(errno.EMFILE, "Too many open files"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        URLError(OSError(errno.ETIMEDOUT, "timed out")),
        http(503),
        http(429),
    ],
    ids=str,
)
def test_errors_that_may_pass_are_tried_twice_more(error: Exception, waited: list[float]) -> None:
    assert read_again.read_again(failing(error, error)) == b"content"
    assert waited == [0.05, 0.2]
    with pytest.raises(type(error)):
        read_again.read_again(failing(error, error, error))


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file"),
        PermissionError(errno.EACCES, "Permission denied"),
        OSError("broken data"),
        ImageError("an image"),
        URLError("no host given"),
        http(403),
    ],
    ids=str,
)
def test_other_errors_are_raised_at_once(error: Exception, waited: list[float]) -> None:
    with pytest.raises(type(error)):
        read_again.read_again(failing(error))
    assert waited == []


def test_a_picture_on_a_disk_that_fails_once_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waited: list[float]
) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (3, 2), (1, 2, 3)).save(path)
    opened: list[str] = []
    open_at_once = images._open_at_once

    def fails_once(path: str, flags: int) -> int:
        opened.append(path)
        if len(opened) == 1:
            raise OSError(errno.EIO, "Input/output error")
        return open_at_once(path, flags)

    monkeypatch.setattr(images, "_open_at_once", fails_once)
    assert load_image(path).getpixel((0, 0)) == (1, 2, 3)
    assert waited == [0.05]
    with pytest.raises(MissingImageError, match=r"absent\.png: image file not found"):
        load_image(tmp_path / "absent.png")
    assert waited == [0.05]
