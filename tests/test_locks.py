from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import Timeout

from clfa.jobs.lock import OutputLock
from clfa.locks import file_lock

# Without fcntl there are no locks of the system.
SOFT = "import sys; sys.modules['fcntl'] = None\n"


def test_only_one_holds_a_lock(tmp_path: Path) -> None:
    with file_lock(tmp_path / "lock"), pytest.raises(Timeout):
        file_lock(tmp_path / "lock").acquire(timeout=0)


@pytest.mark.parametrize("made", ["file_lock(path)", "OutputLock(path, path)"])
def test_a_file_left_by_a_lock_of_the_system_is_not_waited_for(made: str, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    code = f"""{SOFT}
from pathlib import Path
from clfa.jobs.lock import OutputLock
from clfa.locks import file_lock
path = Path(sys.argv[1])
lock = {made}
if not isinstance(lock, OutputLock):
    lock.acquire(timeout=5)
try:
    file_lock(path).acquire(timeout=0)
except TimeoutError:
    print("held")
"""
    found = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert found.stdout == "held\n", found.stderr


def test_an_output_lock_is_free_again_after_its_release(tmp_path: Path) -> None:
    lock = OutputLock(tmp_path / "work" / "lock", tmp_path)
    lock.release()
    OutputLock(tmp_path / "work" / "lock", tmp_path).release()
