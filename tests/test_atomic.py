"""Files and folders that appear as a whole, whatever happens, with the permissions that the umask gives."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from clfa import files
from clfa.files import (
    atomic_folder,
    atomic_path,
    atomic_write,
    follow_umask,
    remove_leftovers,
    save_tensors,
    write_json,
)


@pytest.fixture(params=[0o022, 0o027, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


posix = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@posix
def test_files_and_folders_follow_the_umask(tmp_path: Path, umask: int) -> None:
    write_json(tmp_path / "a.json", {})
    save_tensors(tmp_path / "arrays.safetensors", {"x": np.ones(3)})
    save_tensors(tmp_path / "tensors.safetensors", {"x": torch.ones(3)}, {"format": "pt"})
    with atomic_folder(tmp_path / "folder") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").touch(0o600)
        save_tensors(folder / "x.safetensors", {"x": np.ones(3)})
    for name in ("a.json", "arrays.safetensors", "tensors.safetensors", "folder/x.safetensors", "folder/inner/file"):
        assert mode(tmp_path / name) == 0o666 & ~umask, name
    for name in ("folder", "folder/inner"):
        assert mode(tmp_path / name) == 0o777 & ~umask, name


@posix
def test_only_what_is_named_is_opened(tmp_path: Path) -> None:
    for name in ("model.safetensors", "secret"):
        (tmp_path / name).touch(0o600)
    before = os.umask(0o022)
    follow_umask(tmp_path, "*.safetensors")
    os.umask(before)
    assert (mode(tmp_path / "model.safetensors"), mode(tmp_path / "secret")) == (0o644, 0o600)


@posix
def test_what_a_training_writes_can_be_read_by_others(tiny_run: Path) -> None:
    expected = 0o666 & ~_umask()
    assert {mode(path) for path in tiny_run.rglob("*") if path.is_file()} == {expected}
    assert list(tiny_run.rglob("*.safetensors"))


def _umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


def test_tensors_come_back(tmp_path: Path) -> None:
    save_tensors(tmp_path / "x.safetensors", {"x": np.arange(3)})
    assert load_file(tmp_path / "x.safetensors")["x"].tolist() == [0, 1, 2]


def make(path: Path, content: str) -> None:
    with atomic_folder(path) as folder:
        (folder / "file").write_text(content)
        (folder / "more").mkdir()


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    make(target, "old")
    (target / "extra").touch()
    make(target, "new")
    assert sorted(path.name for path in target.iterdir()) == ["file", "more"]
    assert (target / "file").read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_old_folder(tmp_path: Path) -> None:
    make(tmp_path / "target", "old")

    def fail() -> None:
        with atomic_folder(tmp_path / "target") as folder:
            (folder / "file").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "target" / "file").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_error_between_the_renames_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "target", "old")
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp"):
            raise OSError("no space")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail)
        with pytest.raises(OSError, match="no space"):
            make(tmp_path / "target", "new")
    assert (tmp_path / "target" / "file").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_existing_folder_with_the_file_is_kept(tmp_path: Path) -> None:
    make(tmp_path / "target", "old")
    with atomic_folder(tmp_path / "target", unless="file") as folder:
        (folder / "file").write_text("new")
    assert (tmp_path / "target" / "file").read_text() == "old"
    with atomic_folder(tmp_path / "target", unless="other") as folder:
        (folder / "file").write_text("new")
    assert (tmp_path / "target" / "file").read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_several_writers_of_one_folder(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: make(tmp_path / "target", str(number)), range(60)))
    assert int((tmp_path / "target" / "file").read_text()) in range(60)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


KILLED = """
import os, sys
from pathlib import Path
from clfa.files import atomic_folder, atomic_path
target, how = Path(sys.argv[1]), sys.argv[2]
if how == "file":
    with atomic_path(target) as path:
        path.write_text("half")
        os._exit(9)
rename = Path.rename
def killed(self, to):
    if how == "between" and self.name.endswith(".tmp"):
        os._exit(9)
    return rename(self, to)
Path.rename = killed
with atomic_folder(target) as folder:
    (folder / "file").write_text("half")
    if how == "folder":
        os._exit(9)
"""


@pytest.mark.parametrize("how", ["file", "folder", "between"])
def test_what_a_killed_process_left_is_cleaned_by_the_next(tmp_path: Path, how: str) -> None:
    target = tmp_path / "[a]*.b"
    other = tmp_path / f".{target.name}x.tmp"
    other.touch()
    if how == "file":
        target.write_text("old")
    else:
        make(target, "old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(target), how], check=False, timeout=60)
    assert killed.returncode == 9
    assert len(list(tmp_path.iterdir())) == 3
    if how == "between":
        assert not target.exists()
    remove_leftovers(target)
    assert {path.name for path in tmp_path.iterdir()} == {target.name, other.name}
    assert (target if how == "file" else target / "file").read_text() == "old"


def test_a_living_process_keeps_its_temporary_files(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as first, atomic_write(tmp_path / "a") as second:
        second.write("second")
        first.write_text("first")
        with atomic_write(tmp_path / "a") as third:
            third.write("third")
        assert first.read_text() == "first"
    assert (tmp_path / "a").read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 1


def test_other_hosts_keep_their_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_alive", lambda process: False)
    theirs = tmp_path / ".a.00000000-12-abcdefgh.tmp"
    ours = tmp_path / f".a.{files._HOST}-12-abcdefgh.tmp"
    for path in (theirs, ours):
        path.touch()
    remove_leftovers(tmp_path / "a")
    assert list(tmp_path.iterdir()) == [theirs]


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    for name, write in (("a.csv", atomic_path), ("folder", atomic_folder)):
        with pytest.raises(OSError, match="No space") as full, write(tmp_path / name):
            raise OSError(errno.ENOSPC, "No space left on device")
        assert full.value.filename == str(tmp_path / name)
        # Another error of the system may be about something that was read.
        with pytest.raises(OSError, match="Input/output") as other, write(tmp_path / name):
            raise OSError(errno.EIO, "Input/output error")
        assert other.value.filename is None
        with pytest.raises(OSError, match="No space") as inner, write(tmp_path / name):
            raise OSError(errno.ENOSPC, "No space left on device", "inner")
        assert inner.value.filename == "inner"
    assert list(tmp_path.iterdir()) == []
