"""Atomic writing of files and folders, with the permissions that the umask gives."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from clfa.errors import DataError

# Errors of renaming a folder to one that exists; Windows says that access is denied.
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, *((errno.EACCES,) if os.name == "nt" else ()))
_ATTEMPTS = 100
_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}-[0-9]+-[0-9a-f]{8}\.(?:tmp|old)", re.DOTALL)
# Temporary files and folders are called .NAME.HOST-PROCESS-RANDOM.tmp, folders that are being replaced ....old.
_HOST = hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()
_KINDS: dict[type, str] = {dict: "object", list: "list"}
# Errors of writing that the system reports without the name of the file.
DISK_FULL = frozenset(
    code for name in ("ENOSPC", "EDQUOT", "EFBIG") if (code := getattr(errno, name, None)) is not None
)
_SPECIAL = "it is a device, a pipe or a socket"


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Return a context with a temporary path, which is renamed to ``path`` if the block ends without an error.

    Temporary files that a killed process left for the same path are removed.

    Args:
        path: Final path; its folder is created if absent.

    Raises:
        OSError: If it cannot be written, or is a device, a pipe or a socket, whose place a file would take.
    """
    target = Path(path)
    if _is_special(target):
        raise OSError(errno.EINVAL, _SPECIAL, os.fspath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target)
    temporary = _beside(target, "tmp")
    # Unlike those of the module tempfile, files made like this have the permissions that the umask gives.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    mode = temporary.stat().st_mode & 0o777
    try:
        yield temporary
        # Some libraries replace the file by a private one.
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        _name_file(error, target)
        raise


@contextmanager
def atomic_folder(path: str | os.PathLike[str], *, unless: str | None = None) -> Iterator[Path]:
    """Return a context with a temporary folder, which is renamed to ``path`` if the block ends without an error.

    What killed processes left for the same path is removed, and a folder that one had moved away to replace it is put
    back. Several processes may write the same path; each replaces the folder as a whole.

    Args:
        path: Final path; its parent folder is created if absent.
        unless: Name of a file. An existing folder that has it is kept and the new one discarded: another process has
            made the same.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target)
    temporary = _beside(target, "tmp")
    temporary.mkdir()
    try:
        yield temporary
        follow_umask(temporary)
        _put(temporary, target, unless)
    except OSError as error:
        _name_file(error, target)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _name_file(error: BaseException, target: Path) -> None:
    """Name the file in the error of a full disk, which only says so."""
    if isinstance(error, OSError) and error.errno in DISK_FULL and error.filename is None:
        error.filename = os.fspath(target)


def _put(folder: Path, target: Path, unless: str | None) -> None:
    """Rename a folder to ``target``; a folder that is there is moved away first and removed afterwards."""
    moved: list[Path] = []
    try:
        while True:
            if target.is_dir():
                if unless is not None and (target / unless).is_file():
                    return
                old = _beside(target, "old")
                # Another process may move it at the same time.
                with suppress(FileNotFoundError):
                    target.rename(old)
                    moved.append(old)
            try:
                folder.rename(target)
                break
            except OSError as error:
                # Another process may have put its folder there in the meantime.
                if error.errno not in _TAKEN or len(moved) > _ATTEMPTS:
                    raise
    except BaseException:
        if moved and not target.exists():
            moved.pop().rename(target)
        raise
    finally:
        for old in moved:
            shutil.rmtree(old, ignore_errors=True)


def remove_leftovers(target: Path) -> None:
    """Remove temporary files and folders of processes of this host that were killed while they wrote ``target``.

    If one was killed between the two renames that replace a folder, the former folder is put back.

    Args:
        target: Final path.
    """
    start = f".{target.name}."
    for path in target.parent.glob(f"{_escaped(start)}*"):
        owner, _, kind = path.name.removeprefix(start).partition(".")
        parts = owner.split("-")
        if kind not in ("tmp", "old") or len(parts) != 3 or parts[0] != _HOST or not parts[1].isdigit():
            continue
        if _alive(int(parts[1])):
            continue
        if kind == "old" and not target.exists():
            with suppress(OSError):
                path.rename(target)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def final_name(path: str | bytes) -> str:
    """Return the final path of a temporary one of this module, or of a file in a temporary folder; others as they are.

    Example:
        >>> final_name("runs/.metrics.json.0a1b2c3d-77-4e5f6a7b.tmp")
        'runs/metrics.json'
    """
    parts = re.split(r"([\\/]+)" if os.name == "nt" else "(/+)", os.fsdecode(path))
    return "".join(found[1] if (found := _TEMPORARY.fullmatch(part)) else part for part in parts)


def _alive(process: int) -> bool:
    # Only needed after a kill. On Windows, os.kill would end the process.
    import psutil

    return process == os.getpid() or psutil.pid_exists(process)


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _beside(target: Path, kind: str) -> Path:
    return target.with_name(f".{target.name}.{_HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}.{kind}")


def _is_special(path: Path) -> bool:
    return path.exists() and not (path.is_file() or path.is_dir())


def require_writable(path: str | os.PathLike[str], *, file: bool = False, folder: bool = False) -> None:
    """Check that a file or folder can be made at ``path``, before the work whose results it will hold.

    Args:
        path: The output.
        file: Whether it must be a file.
        folder: Whether it must be a folder.

    Raises:
        DataError: When it cannot.
    """
    path = Path(path)
    place = path.absolute().parent
    try:
        if file and path.is_dir():
            raise DataError(f"{path} cannot be written: it is a folder.")
        if folder and path.is_file():
            raise DataError(f"{path} cannot be written: it is a file, where a folder is made.")
        if _is_special(path):
            raise DataError(f"{path} cannot be written: {_SPECIAL}.")
        place, missing = path.absolute() if path.is_dir() else place, []
        while not place.exists() and place != place.parent:
            missing.append(place.name)
            place = place.parent
        with tempfile.NamedTemporaryFile(dir=place, prefix=".clfa-"):
            pass
        for name in (*missing, _beside(path.absolute(), "tmp").name):
            # What is wrong with a name, for instance its length, shows without making it.
            with suppress(FileNotFoundError):
                os.lstat(place / name)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error} ({place}).") from error
    except ValueError as error:
        # A NUL character, or half a surrogate pair.
        raise DataError(f"{str(path)!r} cannot be written: {error}.") from error
    if path.is_file() and not os.access(path, os.W_OK):
        raise DataError(f"{path} cannot be written: it is read-only.")


def require_apart(outputs: Iterable[str | os.PathLike[str] | None], inputs: Iterable[Any] = ()) -> None:
    """Check that outputs are different files, and none is an input, which it would replace.

    Args:
        outputs: Files to write; ``None`` for one that is not asked for.
        inputs: What is read; anything but paths is ignored.

    Raises:
        DataError: Naming the output.
    """
    read = {os.path.realpath(path) for path in inputs if isinstance(path, (str, os.PathLike))}
    written: set[str] = set()
    for output in outputs:
        if output is None:
            continue
        place = os.path.realpath(output)
        if place in read:
            raise DataError(f"{os.fspath(output)} is the input, which would be lost; give another output.")
        if place in written:
            raise DataError(f"{os.fspath(output)} is named for two outputs; give another for one of them.")
        written.add(place)


def follow_umask(folder: str | os.PathLike[str], pattern: str = "**/*") -> None:
    """Give files and folders in ``folder`` at least the permissions of new ones; safetensors makes private files.

    Args:
        folder: A folder.
        pattern: Which files and folders in it.
    """
    probe = Path(folder) / f".{uuid.uuid4().hex}.tmp"
    os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    for path in Path(folder).glob(pattern):
        wanted = mode | (mode & 0o444) >> 2 if path.is_dir() else mode
        present = path.stat().st_mode & 0o777
        if present | wanted != present and not path.is_symlink():
            os.chmod(path, present | wanted)


@contextmanager
def atomic_write(path: str | os.PathLike[str], newline: str = "\n") -> Iterator[IO[str]]:
    """Return a context with a text file, which appears at ``path`` if the block ends without an error.

    Args:
        path: Final path; its folder is created if absent.
        newline: As in :func:`open`; by default the same line end on all systems.
    """
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline=newline) as file:
        yield file


def json_text(content: Any, **options: Any) -> str:
    """Return ``content`` as JSON. Numbers that are not finite become ``null``: JSON has no NaN and no infinity.

    Args:
        content: Values that JSON knows.
        options: Further arguments of :func:`json.dumps`.

    Example:
        >>> json_text({"auc": float("nan"), "f1": 0.5})
        '{"auc": null, "f1": 0.5}'
    """
    options.setdefault("ensure_ascii", False)
    try:
        return json.dumps(content, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_finite(content), allow_nan=False, **options)


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def read_json(path: str | os.PathLike[str], kind: type, advice: str) -> Any:
    """Return the content of a JSON file that clfa has written.

    Args:
        path: The file.
        kind: What its content must be: ``dict`` or ``list``.
        advice: What to do when it is damaged, for the message.

    Raises:
        DataError: If it is damaged: no text, no JSON, nested too deeply, or another kind of content.
        OSError: If it cannot be read.
    """
    with open(path, "rb") as file:
        return parse_json(file.read(), kind, os.fspath(path), advice)


def parse_json(text: str | bytes, kind: type, where: str, advice: str) -> Any:
    """Return the content of a JSON text that clfa has written, such as a line of a file; see :func:`read_json`.

    Args:
        text: The text, or its bytes in UTF-8.
        kind: What its content must be.
        where: Where it is, for the message.
        advice: What to do when it is damaged, for the message.

    Raises:
        DataError: If it is damaged.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is damaged ({error}); {advice}.") from error
    if not isinstance(content, kind):
        raise DataError(f"{where} is damaged (it holds no {_KINDS[kind]}); {advice}.")
    return content


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write ``content`` as indented JSON, atomically; see :func:`json_text`."""
    with atomic_write(path) as file:
        file.write(json_text(content, indent=2) + "\n")


def write_jsonl(path: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, atomically; see :func:`json_text`."""
    with atomic_write(path) as file:
        for row in rows:
            file.write(json_text(row) + "\n")


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Any], metadata: dict[str, str] | None = None
) -> None:
    """Write tensors or arrays as safetensors, atomically and with the permissions that the umask gives.

    Args:
        path: File.
        tensors: ``torch.Tensor`` or ``numpy.ndarray`` by name; contiguous.
        metadata: Texts by name.
    """
    import numpy as np

    save: Any
    if all(isinstance(tensor, np.ndarray) for tensor in tensors.values()):
        from safetensors.numpy import save_file as save
    else:
        from safetensors.torch import save_file as save
    from safetensors import SafetensorError

    with atomic_path(path) as temporary:
        try:
            save(dict(tensors), temporary, metadata)
        except SafetensorError as error:
            # For instance a full disk.
            raise OSError(f"{os.fspath(path)} cannot be written: {error}") from error
